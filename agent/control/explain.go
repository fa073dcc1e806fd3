package control

import (
	"slices"
	"time"

	"memvip/agent/history"
	"memvip/agent/trace"
)

// Explanation is why a VIP is where it is, or what becomes of a node: the schema of `agentctl explain --json`. It is put
// together from what several nodes say; who did not answer is in Unreached.
type Explanation struct {
	Schema int       `json:"schema"`
	Time   time.Time `json:"time"`      // by the clock of the node that was asked first
	Seen   string    `json:"seen_from"` // that node
	VIP    *VIPStory `json:"vip,omitempty"`
	Node   *OfNode   `json:"node,omitempty"`

	Bounds    Outages           `json:"bounds,omitzero"`
	Problems  []Problem         `json:"problems"`  // of the report that concern it
	History   []history.Entry   `json:"history"`   // the newest that concern it, in order
	Unreached map[string]string `json:"unreached"` // why a node did not answer
}

// VIPStory is a VIP with what its holder and every node say of it.
type VIPStory struct {
	VIP
	LeaseTrouble string   `json:"lease_trouble"` // why there is no word of the holder on its lease; "" if there is, or no holder
	Nodes        []Chance `json:"nodes"`
	Next         string   `json:"next"` // the node that would take it; "" if none could

	// Change is how it came to where it is, or was last, step by step; left out if no node remembers.
	Change *trace.Timeline `json:"change,omitempty"`
}

// Chance is whether a node could take a VIP now.
type Chance struct {
	Node  string `json:"node"`
	VIP   string `json:"vip"`
	Home  bool   `json:"home"`
	Holds bool   `json:"holds"`
	Rank  int    `json:"rank"` // 1 is the first to take it; 0: it holds it, or could not take it
	Cache Cache  `json:"cache"`
	Text  string `json:"text"` // why, in words
	Age   int64  `json:"age_ms"`
}

// OfNode is a node, and who hears it.
type OfNode struct {
	Node
	Holds   []string `json:"holds"`
	Chances []Chance `json:"chances"` // one for each VIP
	HeardBy []Hears  `json:"heard_by"`
	Alike   bool     `json:"config_alike"` // it tells the same configuration as the node that was asked first
}

// Hears is whether a node hears another, by its own word.
type Hears struct {
	Node  string `json:"node"`
	Hears bool   `json:"hears"`
	Age   int64  `json:"age_ms"` // of what it heard
}

// ExplainVIP puts together what is known of a VIP of a report. Others are the reports of other nodes, by name, as far as
// they answered; unreached is why they did not. Either may lack nodes that were not asked.
func ExplainVIP(r Report, v VIP, others map[string]Report, unreached map[string]string) Explanation {
	s := VIPStory{VIP: v, Nodes: each(r.Nodes, func(n Node) Chance { return chance(r, v, n) })}
	for _, c := range s.Nodes {
		if c.Rank == 1 {
			s.Next = c.Node
		}
	}
	if v.Holder != "" && v.Holder != r.Node {
		s.Lease, s.LeaseTrouble = leaseOf(v, others, unreached)
	}
	e := explanation(r, unreached, func(p Problem) bool {
		return slices.Contains(p.VIPs, v.Address) && p.Code != ProblemAlone // said of its own, with the outage
	})
	e.VIP = &s
	return e
}

// leaseOf is the holder's own word on what it holds a VIP by.
func leaseOf(v VIP, others map[string]Report, unreached map[string]string) (lease *Lease, trouble string) {
	told, ok := others[v.Holder]
	if !ok {
		if why := unreached[v.Holder]; why != "" {
			return nil, why
		}
		return nil, v.Holder + " was not asked"
	}
	own, _ := told.FindVIP(v.Address)
	if own.Lease == nil {
		return nil, v.Holder + " says that it has none"
	}
	return own.Lease, ""
}

// ExplainNode puts together what is known of a node of a report, as ExplainVIP does.
func ExplainNode(r Report, n Node, others map[string]Report, unreached map[string]string) Explanation {
	own, _ := r.FindNode(r.Node)
	s := OfNode{Node: n, Holds: []string{}, HeardBy: []Hears{}, Alike: n.Config == own.Config}
	for _, v := range r.VIPs {
		c := chance(r, v, n)
		if c.Holds {
			s.Holds = append(s.Holds, v.Address)
		}
		s.Chances = append(s.Chances, c)
	}
	for _, name := range r.NodeNames() {
		from, ok := others[name]
		if name == r.Node {
			from, ok = r, true
		}
		if heard, known := from.FindNode(n.Name); ok && known && name != n.Name {
			s.HeardBy = append(s.HeardBy, Hears{Node: name, Hears: heard.Heard && !heard.Silent, Age: heard.HeardAge})
		}
	}
	e := explanation(r, unreached, func(p Problem) bool { return slices.Contains(p.Nodes, n.Name) })
	e.Node = &s
	return e
}

// explanation is what an explanation has of any subject.
func explanation(r Report, unreached map[string]string, concerns func(Problem) bool) Explanation {
	e := Explanation{
		Schema: Schema, Time: r.Time, Seen: r.Node, Bounds: r.Bounds,
		Problems: []Problem{}, History: []history.Entry{}, Unreached: map[string]string{},
	}
	for _, p := range r.Problems {
		if concerns(p) {
			e.Problems = append(e.Problems, p)
		}
	}
	for node, why := range unreached {
		e.Unreached[node] = why
	}
	return e
}
