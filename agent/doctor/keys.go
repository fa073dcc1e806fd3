package doctor

import (
	"memvip/agent/control"
)

// Keys compares which gossip keys nodes have, as they said when they were asked. by is the node by way of which that
// was.
func Keys(by string, nodes []control.NodeKeys) []Finding {
	var list []Finding
	for _, f := range control.KeyFaults(nodes) {
		found := Finding{Check: CheckKeys, Severity: Warning, Subject: "gossip keys", What: f.Text, Why: f.Why, Mend: f.Hint}
		if f.Split {
			found.Severity = Failure
		}
		list = append(list, found)
	}
	if len(list) == 0 && len(nodes) > 1 {
		var names []string
		for _, n := range nodes {
			names = append(names, n.Node)
		}
		list = append(list, fine(CheckKeys, "gossip keys", "%s seal with one key, %s, and have no other", words(names), nodes[0].Seals()))
	}
	return seenBy(by, list)
}
