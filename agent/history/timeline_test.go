package history

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestGather(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 11, 21, 12, 0, second, 0, time.UTC) }
	answers := map[string][]Entry{
		"a": {{Node: "a", Seq: 1, Time: at(1), VIP: "10.0.0.101"}, {Node: "a", Seq: 2, Time: at(3), VIP: "10.0.0.101"}},
		"b": {{Node: "b", Seq: 1, Time: at(2), VIP: "10.0.0.101"}, {Node: "b", Seq: 2, Time: at(4), VIP: "10.0.0.102"}},
	}
	for _, c := range []struct {
		name   string
		wanted Filter
		want   string
	}{
		{"all", Filter{}, "a1 b1 a2 b2"},
		{"the limit is for all nodes together", Filter{Limit: 3}, "b1 a2 b2"},
		{"of one VIP", Filter{VIP: "10.0.0.101", Limit: 2}, "b1 a2"},
		{"since", Filter{Since: at(3)}, "a2 b2"},
		{"none", Filter{Since: at(9)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, e := range Gather(answers, nil, c.wanted).Entries {
				got = append(got, e.Node+string(rune('0'+e.Seq)))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestEmptyTimeline: whoever reads the JSON finds lists, never null.
func TestEmptyTimeline(t *testing.T) {
	raw, err := json.Marshal(Gather(nil, nil, Filter{}))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"schema":1,"entries":[],"unreached":{}}`; string(raw) != want {
		t.Errorf("got %s, want %s", raw, want)
	}
}

func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text  string
		want  time.Time
		wrong string
	}{
		{"90m", now.Add(-90 * time.Minute), ""},
		{"2026-11-20T08:00:00+01:00", time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC), ""},
		{"2027-01-01T00:00:00Z", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{"0s", time.Time{}, "0s: expected more than 0s"},
		{"-1h", time.Time{}, "-1h: expected more than 0s"},
		{"", time.Time{}, `"": expected a duration such as 2h30m, or an instant such as 2026-11-21T12:00:00Z`},
		{"yesterday", time.Time{}, `"yesterday": expected a duration such as 2h30m, or an instant such as 2026-11-21T12:00:00Z`},
	} {
		got, err := Since(c.text, now)
		if !got.Equal(c.want) || (err != nil) != (c.wrong != "") || err != nil && err.Error() != c.wrong {
			t.Errorf("Since(%q) = %s, %v", c.text, got, err)
		}
	}
}
