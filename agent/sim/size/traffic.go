package size

import "memvip/agent/core"

// Traffic is what a node sent and heard.
type Traffic struct {
	Claims, Answers, States, Others Flow
}

// Flow counts packets of one kind.
type Flow struct {
	Sent, Received           int
	SentBytes, ReceivedBytes int // as gossip writes them, without what is around them; 0 for what it cannot write
}

func (t *Traffic) flow(m core.Message) *Flow {
	switch m.(type) {
	case core.Claim:
		return &t.Claims
	case core.Answer:
		return &t.Answers
	}
	return &t.Others
}

// send transmits a message to another node.
func (n *node) send(to string, m core.Message) {
	bytes := n.w.weigh.message(m)
	f := n.traffic.flow(m)
	f.Sent, f.SentBytes = f.Sent+1, f.SentBytes+bytes
	target := n.w.byName[to]
	n.w.after(n.w.travel(), func() {
		if target.machine != nil {
			f := target.traffic.flow(m)
			f.Received, f.ReceivedBytes = f.Received+1, f.ReceivedBytes+bytes
			target.hear(core.Received{Source: n.name, Msg: m})
		}
	})
}

// publish tells all others of a node's state.
func (n *node) publish(s core.NodeState) {
	if n.w.shape.Quiet {
		return
	}
	bytes := n.w.weigh.state(s)
	for _, o := range n.w.nodes {
		if o == n {
			continue
		}
		f := &n.traffic.States
		f.Sent, f.SentBytes = f.Sent+1, f.SentBytes+bytes
		n.w.after(n.w.travel(), func() {
			if o.machine != nil {
				f := &o.traffic.States
				f.Received, f.ReceivedBytes = f.Received+1, f.ReceivedBytes+bytes
				o.hear(core.StateHeard{State: s})
			}
		})
	}
}
