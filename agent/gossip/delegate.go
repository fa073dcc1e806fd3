package gossip

import (
	"net/netip"

	"github.com/hashicorp/memberlist"
)

// delegate answers memberlist's questions. Its methods run on memberlist's goroutines, NotifyAlive
// under its lock, so none of them waits for anything.
type delegate struct{ g *Gossip }

var (
	_ memberlist.Delegate      = delegate{}
	_ memberlist.AliveDelegate = delegate{}
)

// NodeMeta is empty: what a node says of itself is in its state.
func (d delegate) NodeMeta(int) []byte { return nil }

// NotifyMsg gets user messages that travelled together with memberlist's own: states.
func (d delegate) NotifyMsg(envelope []byte) { d.g.receive("", envelope) }

// GetBroadcasts returns states that want to be told on.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.g.states.queue.GetBroadcasts(overhead, limit)
}

// LocalState is this side's half of a push/pull.
func (d delegate) LocalState(bool) []byte { return d.g.states.all() }

// MergeRemoteState is the other side's half.
func (d delegate) MergeRemoteState(b []byte, _ bool) {
	frames, err := splitStates(b)
	if err != nil {
		d.g.tally.drop(err)
	}
	for _, frame := range frames {
		d.g.receive("", seal("", frame))
	}
}

// NotifyAlive refuses members that are not configured, or not where they are configured to be.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	want := d.g.opts.Bind
	if n.Name != d.g.opts.Node {
		var ok bool
		if want, ok = d.g.opts.Peers[n.Name]; !ok {
			err := drop(DropUnknownNode, "member %q is not configured", n.Name)
			d.g.tally.drop(err)
			return err
		}
	}
	addr, _ := netip.AddrFromSlice(n.Addr)
	if got := netip.AddrPortFrom(addr.Unmap(), n.Port); got != netip.AddrPortFrom(want, uint16(d.g.opts.Port)) {
		err := drop(DropWrongAddress, "member %s speaks from %s, configured is %s", n.Name, got, want)
		d.g.tally.drop(err)
		return err
	}
	return nil
}
