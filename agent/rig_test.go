package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
	"memvip/agent/history"
	"memvip/agent/nowait"
	"memvip/flush"
	"memvip/vip"
)

const (
	vipA = core.Name("10.0.0.101")
	vipB = core.Name("10.0.0.102")
	mc   = "127.0.0.1:11211"
)

var (
	addressA = vip.Address{Prefix: netip.MustParsePrefix("10.0.0.101/32"), Link: "eth0"}
	addressB = vip.Address{Prefix: netip.MustParsePrefix("10.0.0.102/32"), Link: "eth0"}
	termOne  = core.Term{Epoch: 1, Node: "h1", ID: 1}
	termTwo  = core.Term{Epoch: 2, Node: "h1", ID: 2}
)

// order is an event by which a test has the machine order effects.
type order struct {
	core.Event
	effects []core.Effect
}

// rig is a loop with pretended surroundings and a machine that does as the test says. It lives in a
// synctest bubble.
type rig struct {
	t         *testing.T
	loop      *loop
	addresses *fakeAddresses
	instances *fakeInstances
	begun     time.Time
	cancel    context.CancelCauseFunc
	ended     chan error
	context   context.Context

	// react says what the machine orders after an event; nil: nothing. Asked on the loop's goroutine.
	react func(core.Event) []core.Effect
	save  func(core.Durable) error

	mu      sync.Mutex
	journal []string // what was done and what the machine heard, in order
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, begun: time.Now(), ended: make(chan error, 1)}
	r.addresses = &fakeAddresses{rig: r}
	r.instances = &fakeInstances{rig: r}
	var ctx context.Context
	ctx, r.cancel = context.WithCancelCause(context.Background())
	s := shared{clock: r.now, queue: newQueue(), diary: newDiary(nil), failed: func(err error) { r.cancel(err) }}
	r.loop = &loop{
		shared: s, machine: r, store: r, net: r, asks: make(chan chan core.Status), history: forgetful{}, ticks: nowait.PlainTimer,
		addresses: newAddresses(s, r.addresses, map[core.Name]vip.Address{vipA: addressA, vipB: addressB}),
		instances: newInstances(s, r.instances, map[string]instanceConfig{
			mc: {address: netip.MustParseAddrPort(mc), command: []string{"restart", "it"}},
		}),
	}
	t.Cleanup(func() {
		r.cancel(errors.New("test ends"))
		r.loop.instances.finish()
		r.loop.addresses.finish()
	})
	r.context = ctx
	return r
}

// start lets the loop run.
func (r *rig) start() {
	go func() { r.ended <- r.loop.run(r.context, core.Started{}) }()
	r.settle()
}

// pass lets simulated time pass.
func pass(d time.Duration) { <-time.After(d) }

// settle waits until everybody waits.
func (r *rig) settle() { synctest.Wait() }

// order has the machine order effects, and waits for what comes of it.
func (r *rig) order(effects ...core.Effect) {
	r.loop.queue.put(order{core.Tick{}, effects})
	r.settle()
}

func (r *rig) now() core.Instant { return core.Instant(time.Since(r.begun)) + 1 }

// set changes what a fake does while it may be in use, and get reads it.
func set[F any](r *rig, field *F, to F) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*field = to
}

func get[F any](r *rig, field *F) F {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *field
}

// note writes a line into the journal.
func (r *rig) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal = append(r.journal, fmt.Sprintf(format, args...))
}

// want compares the journal with lines, and empties it.
func (r *rig) want(lines ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(lines, r.journal); diff != "" {
		r.t.Errorf("journal (-want +got):\n%s", diff)
	}
	r.journal = nil
}

// heard returns whether a line is in the journal.
func (r *rig) heard(line string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.journal, line)
}

// Step is the machine.
func (r *rig) Step(_ core.Instant, ev core.Event) []core.Effect {
	if o, ok := ev.(order); ok {
		return o.effects
	}
	r.note("%s", eventLine(ev))
	if r.react == nil {
		return nil
	}
	return r.react(ev)
}

func (r *rig) Status(core.Instant) core.Status {
	return core.Status{Node: "h1", Counted: map[string]int{}}
}

// Save is the state file.
func (r *rig) Save(d core.Durable) error {
	r.note("save %d", d.Start)
	if r.save != nil {
		return r.save(d)
	}
	return nil
}

// Send and Publish are the other nodes.
func (r *rig) Send(to string, _ core.Message) error {
	r.note("send %s", to)
	if to == "nowhere" {
		return errors.New("no route")
	}
	return nil
}

func (r *rig) Publish(s core.NodeState) { r.note("publish %d", s.Seq) }

// eventLine is an event in a word and its facts.
func eventLine(ev core.Event) string {
	switch e := ev.(type) {
	case core.StateSaved:
		return fmt.Sprintf("saved %d", e.Seq)
	case core.SaveFailed:
		return fmt.Sprintf("save failed %d: %s", e.Seq, e.Err)
	case core.AddressUp:
		return fmt.Sprintf("up %s %d", e.Name, e.Term.Epoch)
	case core.AddressFailed:
		return fmt.Sprintf("failed %s %d: %s", e.Name, e.Term.Epoch, e.Err)
	case core.AddressDown:
		return strings.TrimSuffix(fmt.Sprintf("down %s: %s", e.Name, e.Err), ": ")
	case core.InstanceUp:
		return fmt.Sprintf("instance up pid=%d restart=%t note=%q unprovable=%q", e.Figures.PID, e.Figures.Restart, e.Note, e.Unprovable)
	case core.InstanceWentDown:
		if e.Dead {
			return "instance dead: " + e.Reason
		}
		return "instance down: " + e.Reason
	case core.InstanceQuiet:
		return "quiet"
	case core.InstanceBusy:
		return "busy: " + e.Detail
	case core.FlushDone:
		return fmt.Sprintf("flush %d done pid=%d", e.Attempt, e.Proof.PID)
	case core.FlushFailed:
		return fmt.Sprintf("flush %d failed: %s", e.Attempt, e.Reason)
	case core.RestartFailed:
		return "restart failed: " + e.Reason
	case core.InstanceChecked:
		return strings.TrimSuffix(fmt.Sprintf("checked %s void=%t: %s", e.Name, e.Void, e.Reason), ": ")
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", ev), "core."))
}

// fakeAddresses is the kernel: it says what was asked, and does as the test says.
type fakeAddresses struct {
	*rig
	take    func(vip.Address, vip.Lease) error
	prolong func(vip.Address) (vip.Prolonged, error)
	drop    func(vip.Address) error
	sweep   func(vip.Address) error // unless nil, a drop leaves it to do
	renew   error

	announce error
}

func (f *fakeAddresses) Take(a vip.Address, lease vip.Lease) error {
	f.note("take %s", a.Prefix.Addr())
	if f.take != nil {
		return f.take(a, lease)
	}
	return nil
}

func (f *fakeAddresses) Prolong(a vip.Address) (vip.Prolonged, error) {
	f.note("prolong %s", a.Prefix.Addr())
	if f.prolong != nil {
		return f.prolong(a)
	}
	return vip.ProlongedRefreshed, nil
}

func (f *fakeAddresses) Renew(a vip.Address) error {
	f.note("renew %s", a.Prefix.Addr())
	return f.renew
}

func (f *fakeAddresses) Restore(a vip.Address) (vip.Prolonged, error) {
	f.note("restore %s", a.Prefix.Addr())
	if f.prolong != nil {
		return f.prolong(a)
	}
	return vip.ProlongedRestored, nil
}

func (f *fakeAddresses) RemovedBy(vip.Address) string { return "networkd, pid 7" }

func (f *fakeAddresses) Announce(a vip.Address) error {
	f.note("announce %s", a.Prefix.Addr())
	return f.announce
}

func (f *fakeAddresses) AnnounceOnce(a vip.Address) error {
	f.note("announce once %s", a.Prefix.Addr())
	return f.announce
}

func (f *fakeAddresses) Drop(a vip.Address) (vip.Dropped, error) {
	f.note("look for all of %s", a.Prefix.Addr())
	return f.DropSeen(a)
}

func (f *fakeAddresses) DropSeen(a vip.Address) (vip.Dropped, error) {
	f.note("drop %s", a.Prefix.Addr())
	if f.drop != nil {
		return vip.Dropped{}, f.drop(a)
	}
	return vip.Dropped{Took: time.Millisecond, Unswept: f.sweep != nil}, nil
}

func (f *fakeAddresses) Sweep(a vip.Address) (int, error) {
	f.note("sweep %s", a.Prefix.Addr())
	return 0, f.sweep(a)
}

func (f *fakeAddresses) Expel(a vip.Address) (vip.Dropped, error) {
	f.note("expel %s", a.Prefix.Addr())
	return vip.Dropped{Took: time.Millisecond}, nil
}

// fakeInstances is memcached: it says what was asked, and does as the test says.
type fakeInstances struct {
	*rig
	inspect func(context.Context) (flush.Figures, error)
	drained func(context.Context) error
	verify  func(context.Context) error
	quiet   func(context.Context, flush.QuietOptions) (flush.Figures, error)
	prove   func(context.Context, flush.Figures) (flush.Certificate, error)
	restart func(context.Context) error

	listeners []netip.AddrPort
}

func (f *fakeInstances) Inspect(ctx context.Context, _ netip.AddrPort) (flush.Figures, error) {
	f.note("inspect")
	return get(f.rig, &f.inspect)(ctx)
}

func (f *fakeInstances) Listeners(context.Context, netip.AddrPort) ([]netip.AddrPort, error) {
	return get(f.rig, &f.listeners), nil
}

func (f *fakeInstances) Drained(ctx context.Context, _ netip.AddrPort, vips []netip.Addr, patience time.Duration) error {
	f.note("drained %v within %v", vips, patience)
	if f.drained != nil {
		return f.drained(ctx)
	}
	return nil
}

func (f *fakeInstances) Verify(ctx context.Context, _ netip.AddrPort, c flush.Certificate, serving bool) error {
	f.note("verify pid=%d serving=%t", c.PID, serving)
	if f.verify != nil {
		return f.verify(ctx)
	}
	return nil
}

func (f *fakeInstances) WatchQuiet(ctx context.Context, _ netip.AddrPort, o flush.QuietOptions) (flush.Figures, error) {
	f.note("watch")
	return get(f.rig, &f.quiet)(ctx, o)
}

func (f *fakeInstances) Prove(ctx context.Context, _ netip.AddrPort, vips []netip.Addr, since flush.Figures) (flush.Certificate, error) {
	f.note("prove %v pid=%d", vips, since.PID)
	return get(f.rig, &f.prove)(ctx, since)
}

func (*fakeInstances) Empty(context.Context, netip.AddrPort) error { return nil }

func (f *fakeInstances) Restart(ctx context.Context, argv []string) error {
	f.note("restart %v", argv)
	if restart := get(f.rig, &f.restart); restart != nil {
		return restart(ctx)
	}
	return nil
}

// until waits for the end of a conversation, as a memcached that says nothing would.
func until(ctx context.Context) error {
	<-ctx.Done()
	return &flush.Refusal{Reason: flush.ReasonStopped, Detail: ctx.Err().Error(), Err: ctx.Err()}
}

func refusal(r flush.Reason, detail string) error { return &flush.Refusal{Reason: r, Detail: detail} }

// forgetful is a history for nobody.
type forgetful struct{}

func (forgetful) Append(history.Entry) {}
