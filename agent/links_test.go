package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinkStates(t *testing.T) {
	const rise = 300 * time.Millisecond
	type change struct {
		after time.Duration // the one before
		up    bool
	}
	cases := []struct {
		name    string
		changes []change
		want    []string // when it was told, and what
	}{
		{"up from the first", []change{{0, true}}, []string{"0s true"}},
		{"down from the first, then up", []change{{0, false}, {time.Second, true}}, []string{"0s false", "1.3s true"}},
		{"the same again", []change{{0, true}, {time.Second, true}, {0, false}, {time.Second, false}}, []string{"0s true", "1s false"}},
		{"down and up", []change{{0, true}, {time.Second, false}, {time.Second, true}}, []string{"0s true", "1s false", "2.3s true"}},
		{
			"flaps", []change{
				{0, true},
				{time.Second, false}, {0, true},
				{rise - 1, false}, {0, true},
				{rise - 1, false}, {100 * time.Millisecond, true}, {100 * time.Millisecond, true},
			},
			[]string{"0s true", "1s false", fmt.Sprint(time.Second+2*(rise-1)+100*time.Millisecond+rise, " true")},
		},
		{"down as the time is over", []change{{0, true}, {0, false}, {0, true}, {rise, false}}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				var told []string
				s := newLinkStates(rise, func(link string, up bool) {
					if link != "eth0" {
						t.Errorf("told of %s", link)
					}
					told = append(told, fmt.Sprint(time.Since(begun), " ", up))
				})
				for _, change := range c.changes {
					pass(change.after)
					s.changed("eth0", change.up)
				}
				pass(2 * rise)
				synctest.Wait()
				if c.want != nil && !slices.Equal(told, c.want) {
					t.Errorf("told %q, want %q", told, c.want)
				}
				if c.want == nil && !strings.HasSuffix(told[len(told)-1], "false") {
					t.Errorf("told %q: the last is not that it is down", told)
				}
				s.changed("eth0", false)
				s.changed("eth0", true)
				s.close()
				told = nil
				pass(2 * rise)
				synctest.Wait()
				if told != nil {
					t.Errorf("told %q after its end", told)
				}
			})
		})
	}
}
