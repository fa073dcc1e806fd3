package agent

import (
	"context"
	"net/netip"
	"time"

	"memvip/agent/core"
	"memvip/flush"
	"memvip/vip"
)

// What the loop and its workers need of the rest: the real packages in an agent, pretended ones in tests.

// machine is core.Machine.
type machine interface {
	Step(core.Instant, core.Event) []core.Effect
	Status(core.Instant) core.Status
}

// saver keeps the machine's state; it is called from the loop and must be quick.
type saver interface {
	Save(core.Durable) error
}

// messenger carries messages and the node's own state to the others; it is called from the loop and
// must not wait for anybody.
type messenger interface {
	Send(to string, msg core.Message) error
	Publish(core.NodeState)
}

// addressPort is vip.Manager.
type addressPort interface {
	Take(vip.Address, vip.Lease) error
	Prolong(vip.Address) (vip.Prolonged, error)
	Renew(vip.Address) error
	Restore(vip.Address) (vip.Prolonged, error)
	RemovedBy(vip.Address) string
	Announce(vip.Address) error
	AnnounceOnce(vip.Address) error
	Drop(vip.Address) (vip.Dropped, error)
	DropSeen(vip.Address) (vip.Dropped, error)
	Expel(vip.Address) (vip.Dropped, error)
	Sweep(vip.Address) (int, error)
}

// instancePort is the package flush.
type instancePort interface {
	Inspect(context.Context, netip.AddrPort) (flush.Figures, error)
	Listeners(context.Context, netip.AddrPort) ([]netip.AddrPort, error)
	Drained(context.Context, netip.AddrPort, []netip.Addr, time.Duration) error
	Verify(context.Context, netip.AddrPort, flush.Certificate, bool) error
	WatchQuiet(context.Context, netip.AddrPort, flush.QuietOptions) (flush.Figures, error)
	Prove(context.Context, netip.AddrPort, []netip.Addr, flush.Figures) (flush.Certificate, error)
	Restart(context.Context, []string) error
	Empty(context.Context, netip.AddrPort) error
}

// realInstances is the instancePort of an agent.
type realInstances struct{}

func (realInstances) Inspect(ctx context.Context, a netip.AddrPort) (flush.Figures, error) {
	return flush.Inspect(ctx, a)
}

func (realInstances) Listeners(ctx context.Context, a netip.AddrPort) ([]netip.AddrPort, error) {
	return flush.Listeners(ctx, a)
}

func (realInstances) Drained(ctx context.Context, a netip.AddrPort, vips []netip.Addr, patience time.Duration) error {
	return flush.Drained(ctx, a, vips, patience)
}

func (realInstances) Verify(ctx context.Context, a netip.AddrPort, c flush.Certificate, serving bool) error {
	return flush.Verify(ctx, a, c, serving)
}

func (realInstances) WatchQuiet(ctx context.Context, a netip.AddrPort, o flush.QuietOptions) (flush.Figures, error) {
	return flush.WatchQuiet(ctx, a, o)
}

func (realInstances) Prove(ctx context.Context, a netip.AddrPort, vips []netip.Addr, since flush.Figures) (flush.Certificate, error) {
	return flush.Prove(ctx, a, vips, since)
}

func (realInstances) Empty(ctx context.Context, a netip.AddrPort) error { return flush.Empty(ctx, a) }

func (realInstances) Restart(ctx context.Context, argv []string) error {
	return flush.Restart(ctx, argv)
}
