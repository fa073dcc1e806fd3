package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"memvip/agent/control"
)

// Peer is what a node said of itself when it was asked for this, beyond what the report has.
type Peer struct {
	Name   string
	Digest string // hexadecimal, of its configuration, as control.Config has it; its beginning will do
}

// digitsCompared is how much of a digest nodes tell each other.
const digitsCompared = 16

// Peers are the nodes that the reporting one hears, with what they tell of their configurations.
func Peers(r control.Report) []Peer {
	var list []Peer
	for _, n := range r.Nodes {
		if !n.Silent && n.Config != "" {
			list = append(list, Peer{Name: n.Name, Digest: n.Config})
		}
	}
	return list
}

// Cluster compares what the nodes say, by one node's report. Peers are those that were asked and answered; the
// reporting node need not be among them.
func Cluster(r control.Report, peers []Peer) []Finding {
	return seenBy(r.Node, slices.Concat(drift(r, peers), versions(r), owners(r), voters(r), footings(r)))
}

// drift groups the nodes by what they run with.
func drift(r control.Report, peers []Peer) []Finding {
	said := map[string]string{r.Node: r.Config.Digest}
	for _, p := range peers {
		said[p.Name] = p.Digest
	}
	var mute []string
	by := map[string][]string{}
	for _, n := range r.Nodes {
		if digest := beginning(said[n.Name]); digest != "" {
			by[digest] = append(by[digest], n.Name)
			continue
		}
		mute = append(mute, n.Name)
	}
	var list []Finding
	switch groups := groupsOf(by); {
	case len(groups) > 1:
		list = append(list, Finding{
			Check: CheckConfigDrift, Severity: Warning, Subject: "configuration", What: "nodes run with different configurations: " + contrast(groups, func(digest string) string { return short(digest) }),
			Why:  "they may place VIPs differently, refuse each other's hand-backs, or count other voters",
			Mend: "sha256sum " + r.Config.Path + " on every host; then the right file there, and agentctl reload, one host at a time",
		})
	case len(groups) == 1 && len(groups[0].nodes) > 1:
		list = append(list, fine(CheckConfigDrift, "configuration", "%s run with one configuration", words(groups[0].nodes)))
	}
	if len(mute) > 0 {
		list = append(list, Finding{
			Check: CheckConfigDrift, Severity: Unknown, Subject: "configuration", What: words(mute) + " did not say with which configuration",
			Why: "what was not seen may be broken", Mend: "there: agentctl doctor",
		})
	}
	return list
}

func versions(r control.Report) []Finding {
	by := map[string][]string{}
	for _, n := range r.Nodes {
		if n.Build != "" && !n.Silent {
			by[n.Build] = append(by[n.Build], n.Name)
		}
	}
	groups := groupsOf(by)
	if len(groups) < 2 {
		return []Finding{fine(CheckVersions, "agents", "all agents that are heard are of one version")}
	}
	return []Finding{{
		Check: CheckVersions, Severity: Warning, Subject: "agents", What: "agents differ in version: " + contrast(groups, func(build string) string { return build }),
		Why: "that is for the time of an upgrade: a fault that one of them has mended may still strike", Mend: "upgrade the rest: replace the program, and systemctl kill -s USR2 memvip-agent",
	}}
}

// alike is the nodes that say the same.
type alike struct {
	word  string
	nodes []string
}

// groupsOf returns the biggest group first.
func groupsOf(by map[string][]string) []alike {
	var groups []alike
	for word, nodes := range by {
		groups = append(groups, alike{word, nodes})
	}
	slices.SortFunc(groups, func(a, b alike) int {
		return cmp.Or(cmp.Compare(len(b.nodes), len(a.nodes)), cmp.Compare(a.word, b.word))
	})
	return groups
}

func contrast(groups []alike, show func(string) string) string {
	var parts []string
	for _, g := range groups {
		parts = append(parts, show(g.word)+" on "+words(g.nodes))
	}
	return strings.Join(parts, "; ")
}

// beginning is what of a digest all nodes know.
func beginning(digest string) string { return digest[:min(len(digest), digitsCompared)] }

// short is as much of a digest as tells two apart.
func short(digest string) string { return digest[:min(len(digest), 8)] }

// owners looks for others who claim a VIP, as any node has seen of late.
func owners(r control.Report) []Finding {
	var list []Finding
	for _, v := range r.VIPs {
		var claims []Finding
		for _, n := range r.Nodes {
			if i := slices.IndexFunc(n.VIPs, func(x control.NodeVIP) bool { return x.Address == v.Address }); i >= 0 && !n.Silent {
				claims = append(claims, claim(n, n.VIPs[i])...)
			}
		}
		if len(claims) == 0 {
			claims = []Finding{fine(CheckForeignOwner, v.Address, "nobody else claims %s", v.Address)}
		}
		list = append(list, claims...)
	}
	return list
}

func claim(seer control.Node, v control.NodeVIP) []Finding {
	c := v.Conflict
	if c.MAC == "" {
		return nil
	}
	f := Finding{
		Check: CheckForeignOwner, Severity: Failure, Subject: v.Address,
		What: fmt.Sprintf("%s is claimed by %s, a host that is no member (seen by %s, %s ago)", v.Address, c.MAC, seer.Name, ago(c.Age)),
		Why:  "clients may reach that host instead; while nobody holds the VIP, no node takes it",
		Mend: "find " + c.MAC + " in the switches' tables, and take " + v.Address + " off its host; bridge fdb show | grep -i " + c.MAC,
	}
	if c.Node != "" {
		f.What = fmt.Sprintf("%s is also claimed by %s, as %s (seen by %s, %s ago)", v.Address, c.Node, c.MAC, seer.Name, ago(c.Age))
		f.Why = "two nodes on one address: clients may read values that are stale"
		f.Mend = "on " + c.Node + ": ip address show to " + v.Address + "; agentctl status"
	}
	return []Finding{f}
}

func ago(ms int64) time.Duration {
	return (time.Duration(ms) * time.Millisecond).Round(time.Second / 10)
}

// silentVoter is the refusal of a voter without state, see control.Voter.LastRefusal.
const silentVoter = "silent"

// voters tells apart who is not heard at all, who refuses, and who is heard but does not answer: packets pass one way only.
func voters(r control.Report) []Finding {
	var list []Finding
	for _, v := range r.Voters {
		i := slices.IndexFunc(r.Nodes, func(n control.Node) bool { return n.Name == v.Name })
		heard := i >= 0 && !r.Nodes[i].Silent
		switch {
		case v.Answering:
			list = append(list, fine(CheckVoter, v.Name, "voter %s answers %s", v.Name, r.Node))
		case heard && v.SilentLeft > 0:
			list = append(list, Finding{
				Check: CheckVoter, Severity: Warning, Subject: v.Name,
				What: fmt.Sprintf("voter %s has no state from before, and grants nothing for another %s", v.Name, ago(v.SilentLeft)),
				Why:  "until then the other voters have to be a majority without it", Mend: "wait; agentctl status",
			})
		case heard && v.RefusalText != "" && v.LastRefusal != silentVoter: // what that one said last, its silence is over since
			list = append(list, Finding{
				Check: CheckVoter, Severity: Failure, Subject: v.Name, What: "voter " + v.RefusalText,
				Why: "it counts for no VIP of " + r.Node, Mend: "agentctl status; on " + v.Name + ": agentctl doctor",
			})
		case heard && v.Name != r.Node:
			list = append(list, oneWay(v.Name, fmt.Sprintf("voter %s is heard here but does not answer %s: packets may pass one way only", v.Name, r.Node)))
		default:
			list = append(list, Finding{
				Check: CheckVoter, Severity: Failure, Subject: v.Name, What: "voter " + v.Name + " does not answer " + r.Node,
				Why:  fmt.Sprintf("%d of %d voters answer, %d are needed for any VIP to be served", r.Quorum.Answering, r.Quorum.Voters, r.Quorum.Needed),
				Mend: "on " + v.Name + ": systemctl status memvip-agent; where it runs, UDP between the hosts is in a firewall's way, or the gossip keys differ",
			})
		}
	}
	return append(list, cutOff(r)...)
}

// cutOff are nodes that we hear, and that hear no majority while we do.
func cutOff(r control.Report) []Finding {
	var list []Finding
	for _, n := range r.Nodes {
		if !n.Self && !n.Silent && !n.Quorate && r.Quorum.Quorate {
			list = append(list, oneWay(n.Name, n.Name+" is heard here but hears no majority of the voters: packets may pass one way only"))
		}
	}
	return list
}

func oneWay(node, what string) Finding {
	return Finding{
		Check: CheckOneWay, Severity: Failure, Subject: node, What: what,
		Why:  "a lease needs packets both ways; who is heard and does not hear cannot take over",
		Mend: "on both hosts: nft list ruleset, and the counters of what drops UDP; agentctl doctor on " + node,
	}
}

// footings repeats what the agents say of the fence and the detector that they really have.
func footings(r control.Report) []Finding {
	var list []Finding
	for _, n := range r.Nodes {
		if n.Silent {
			continue
		}
		if n.Fence != "" {
			list = append(list, fenceOf(CheckNodeFence, n.Name, n.Name, n.Fence))
		}
		if n.Detector != "" && !n.Witness {
			list = append(list, detectorOf(CheckNodeDetector, n.Name, n.Name, n.Detector))
		}
	}
	return list
}
