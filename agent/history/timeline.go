package history

import (
	"fmt"
	"time"
)

// Timeline is what several nodes remember, in one order: the schema of `agentctl history --json`.
type Timeline struct {
	Schema    int               `json:"schema"` // of this and of Entry
	Entries   []Entry           `json:"entries"`
	Unreached map[string]string `json:"unreached"` // why a node that was asked has no entries here, by its name
}

// Gather merges what the nodes answered, by name, and takes from it what is wanted: each answered for itself, so that a
// limit is still to be applied.
func Gather(answers map[string][]Entry, unreached map[string]string, wanted Filter) Timeline {
	lists := make([][]Entry, 0, len(answers))
	for _, entries := range answers {
		lists = append(lists, entries)
	}
	t := Timeline{Schema: Schema, Entries: append([]Entry{}, wanted.Select(Merge(lists...))...), Unreached: map[string]string{}}
	for node, why := range unreached {
		t.Unreached[node] = why
	}
	return t
}

// Since reads an instant as people say it: RFC 3339, or how long before now.
func Since(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil {
		if ago <= 0 {
			return time.Time{}, fmt.Errorf("%s: expected more than 0s", text)
		}
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%q: expected a duration such as 2h30m, or an instant such as %s", text, now.UTC().Format(time.RFC3339))
}
