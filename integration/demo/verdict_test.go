package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []row
		err  error
		want []string
	}{
		{
			name: "all kept",
			rows: []row{{step: "a"}, {step: "b", longest: servedBound, failed: 5000, counted: true}},
		},
		{
			name: "a stale read",
			rows: []row{{step: "a"}, {step: "b", stale: 2}},
			want: []string{`never stale: 2 stale in step "b"`},
		},
		{
			name: "two hosts at once",
			rows: []row{{step: "a", doubled: 20 * ms}},
			want: []string{`always served, by exactly one host: two answered for 20.0 ms in step "a"`},
		},
		{
			name: "an outage without end",
			rows: []row{{step: "a", longest: time.Minute}, {step: "b", counted: true, longest: servedBound + time.Second}},
			want: []string{`always served: an outage of 4000 ms in step "b"`},
		},
		{
			name: "a step that did not come about",
			rows: []row{{step: "a"}},
			err:  errors.New("step 1, a: not in time"),
			want: []string{"not shown: step 1, a: not in time"},
		},
		{
			name: "everything at once, in order",
			rows: []row{{step: "a", stale: 1, doubled: 150 * ms, counted: true, longest: time.Minute}},
			err:  errors.New("x"),
			want: []string{
				`never stale: 1 stale in step "a"`,
				`always served, by exactly one host: two answered for 150 ms in step "a"`,
				`always served: an outage of 60000 ms in step "a"`,
				"not shown: x",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, judge(c.rows, c.err)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
