package control

import (
	"maps"
	"testing"
	"time"

	"memvip/agent/core"
)

// A voter that has just begun has heard nobody, and is not deaf for that.
func TestClaimsAreToldByWhoHasListened(t *testing.T) {
	const lease = 600 * time.Millisecond
	voters := []core.VoterStatus{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	nodes := []core.NodeStatus{{Name: "a"}, {Name: "b", Claimed: true, ClaimedAgo: time.Millisecond}, {Name: "c"}}
	for _, c := range []struct {
		name      string
		node      string
		listening time.Duration
		want      map[string]time.Duration
	}{
		{"for long enough", "a", 3 * lease, map[string]time.Duration{"b": time.Millisecond}},
		{"since a moment ago", "a", 3*lease - 1, nil},
		{"without a vote", "d", time.Hour, nil},
	} {
		got := ClaimedOf(core.Status{Node: c.node, Voters: voters, Nodes: nodes}, c.listening, lease)
		if !maps.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
