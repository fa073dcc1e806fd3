package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"memvip/agent/core"
)

// Act is one thing that somebody or something does to a world: a fault, or an operator's order. What it
// cannot do, because it does not apply, it leaves.
type Act struct {
	At   time.Duration
	Kind Kind
	A, B int           // which: hosts, VIPs; read modulo their number
	For  time.Duration // after which it ends by itself
}

func (a Act) String() string {
	return fmt.Sprintf("%s %s %d %d for %s", a.At, a.Kind, a.A, a.B, a.For)
}

// Kind is what an Act does.
type Kind uint8

// The kinds of acts.
const (
	Split        Kind = iota // hosts fall into two groups that do not hear each other
	Isolate                  // one host hears no other and is heard by none, but clients reach it
	CutOneWay                // what one host sends to another is lost
	CutPair                  // two hosts do not hear each other, others hear both
	Lossy                    // a third of all packets is lost
	HoldPackets              // what a host sends, or one kind of it, arrives later, or when its receiver restarts
	Replay                   // what a host sends, or one kind of it, arrives once more much later
	CutClient                // one client does not reach one host
	KillAgent                // and start it again
	KillLost                 // and the state file is lost
	KillSpoilt               // and it cannot be read
	RestartAgent             // at once
	RestartMany              // half of all agents, within a lease: an upgrade in a hurry
	LoseMany                 // and their state is lost
	FreezeAgent              // a long time
	StallAgent               // a short time
	TrapKill                 // it is killed at the worst instant: see trap
	TrapFreeze               // it is frozen then
	StopAgent                // an operator stops it and starts it later
	Crash                    // the host loses power
	PullCable
	ExitMemcached
	RestartMemcached // in a moment, so that nobody may notice
	RestartKept      // it keeps its memory across this and later restarts
	HangMemcached
	RefuseFlush // it is restarted with -F
	SlowMemcached
	StickWorker
	OwnAddress // somebody uses the host's own address
	DiskFull
	DiskSlow
	RefuseAddress // the kernel refuses to remove an address
	RemoveAddress // other hands remove it
	Drain
	Handback
	ChangeVoters
	ReplaceVoter // in one step, which is not allowed
	ChangeLease
	CloneHost
	kinds
)

func (k Kind) String() string {
	return [...]string{"split", "isolate", "cut_one_way", "cut_pair", "lossy", "hold_packets", "replay", "cut_client", "kill_agent",
		"kill_agent_state_lost", "kill_agent_state_spoilt", "restart_agent", "restart_many", "lose_many", "freeze_agent", "stall_agent", "trap_kill", "trap_freeze", "stop_agent", "crash",
		"pull_cable", "exit_memcached", "restart_memcached", "restart_memcached_kept", "hang_memcached", "refuse_flush",
		"slow_memcached", "stick_worker", "own_address", "disk_full", "disk_slow", "refuse_address", "remove_address", "drain",
		"handback", "change_voters", "replace_voter", "change_lease", "clone_host"}[k]
}

// weights say how often each kind is drawn.
var weights = [kinds]int{
	Split: 8, Isolate: 4, CutOneWay: 5, CutPair: 4, Lossy: 3, HoldPackets: 4, Replay: 4, CutClient: 2, KillAgent: 5, KillLost: 3, KillSpoilt: 1,
	RestartAgent: 5, RestartMany: 3, LoseMany: 1, FreezeAgent: 5, StallAgent: 5, TrapKill: 4, TrapFreeze: 4, StopAgent: 3, Crash: 5, PullCable: 4, ExitMemcached: 5, RestartMemcached: 5,
	RestartKept: 2, HangMemcached: 6, RefuseFlush: 1, SlowMemcached: 3, StickWorker: 4, OwnAddress: 2, DiskFull: 2, DiskSlow: 3,
	RefuseAddress: 1, RemoveAddress: 2, Drain: 4, Handback: 2, ChangeVoters: 2, ReplaceVoter: 1, ChangeLease: 1, CloneHost: 1,
}

// themes are kinds that do most harm together.
var themes = [][]Kind{
	{RestartAgent, RestartMany, KillAgent, Replay, HoldPackets, Split, Isolate, StallAgent}, // old packets meet voters that restarted
	{KillLost, LoseMany, Crash, Isolate, Split, HoldPackets, FreezeAgent, Drain},            // voters that forgot
	{TrapKill, TrapFreeze, Drain, ExitMemcached, RestartMemcached, Split},                   // the worst instant
	{StickWorker, HangMemcached, Drain, StopAgent, SlowMemcached},                           // writes that wait
	{RestartMemcached, RestartKept, HangMemcached, ExitMemcached, Drain, Isolate},           // caches that come and go
	{Split, Isolate, CutPair, CutOneWay, Lossy, PullCable},                                  // the network alone
	{ChangeVoters, ReplaceVoter, ChangeLease, Split, Isolate, RestartAgent, CloneHost},      // operators
	{CloneHost, Isolate, FreezeAgent, Drain, Split, CutPair},                                // a copied host
	{DiskFull, DiskSlow, RefuseAddress, RemoveAddress, TrapKill, Drain, Split, RefuseFlush}, // kernel and disk
}

// allowed reports whether a kind may happen to a cluster. A frozen or dead agent's host answers on until a
// fence stops it: without one that is a declared gap and proves nothing.
func (k Kind) allowed(s Shape) bool {
	switch k {
	case FreezeAgent, StallAgent, TrapFreeze, DiskSlow: // the loop waits for the disk
		return s.Fence.coversFreeze()
	case RefuseAddress:
		return s.Fence.kernel()
	case KillAgent, KillLost, KillSpoilt, RestartAgent, RestartMany, LoseMany, TrapKill:
		return s.Fence.coversDeath()
	case ChangeLease:
		return s.Fence != FenceLifetime
	case CloneHost:
		return s.Nodes > s.Voters-s.Witnesses // one that has no vote: two voters of one name are two voters
	default:
		return true
	}
}

// day is what kind of a bad day it is.
type day struct {
	weights [kinds]int
	number  int
	dense   bool // many short faults on a small cluster
}

// drawDay picks an ordinary day, one with a liking for a few kinds, or one with a theme.
func drawDay(r *rand.Rand) day {
	d := day{weights: weights, number: 5 + r.IntN(30)}
	switch r.IntN(3) {
	case 0:
		for range 4 {
			d.weights[r.IntN(int(kinds))] *= 8
		}
	case 1:
		d.weights = [kinds]int{Lossy: 1} // one that is always allowed
		for _, k := range themes[r.IntN(len(themes))] {
			d.weights[k] += weights[k]
		}
		d.number *= 2
		if d.dense = r.IntN(2) == 0; d.dense {
			d.number *= 2
		}
	}
	return d
}

// acts draws what happens when.
func (d day) acts(r *rand.Rand, s Shape, from, to time.Duration) []Act {
	ws := d.weights
	for k := range kinds {
		if !k.allowed(s) {
			ws[k] = 0
		}
	}
	if ws == [kinds]int{} {
		ws[Lossy] = 1
	}
	var acts []Act
	for range d.number {
		a := Act{At: from + time.Duration(r.Int64N(int64(to-from))), Kind: Kind(pick(r, ws[:]...)), A: r.IntN(1 << 20), B: r.IntN(1 << 20)}
		a.For = drawLength(r, s)
		if d.dense {
			a.For = min(a.For, 2*s.Lease+time.Duration(r.Int64N(int64(time.Second))))
		}
		if a.Kind == StallAgent {
			a.For = time.Duration(r.Int64N(int64(s.Lease)))
		}
		acts = append(acts, a)
	}
	return acts
}

// drawLength picks how long something lasts: shorter than a lease, about a lease, or much longer.
func drawLength(r *rand.Rand, s Shape) time.Duration {
	switch r.IntN(3) {
	case 0:
		return time.Duration(r.Int64N(int64(s.Lease)))
	case 1:
		return s.Lease + time.Duration(r.Int64N(int64(2*s.Lease)))
	default:
		return time.Second + time.Duration(r.Int64N(int64(12*time.Second)))
	}
}

// do carries an act out.
func (w *World) do(a Act) {
	w.note("--- %s", a)
	h, v, length := w.hosts[a.A%w.shape.hosts()], a.B%len(w.vips), int64(a.For)
	later := func(do func()) { w.afterwards(length, do) }
	switch a.Kind {
	case Split, Isolate, CutOneWay, CutPair, Lossy, HoldPackets, Replay, CutClient:
		w.disturb(a, h)
	case KillAgent, KillLost, KillSpoilt, RestartAgent, FreezeAgent, StallAgent, StopAgent, TrapKill, TrapFreeze:
		h.disturbAgent(a.Kind, length, a.B)
	case RestartMany, LoseMany:
		for i, h := range w.hosts[:w.shape.hosts()] {
			if a.B>>i&1 == 1 {
				w.afterwards(w.random.Int64N(int64(w.lease)), func() { h.restart(a.Kind == LoseMany) })
			}
		}
	case Crash:
		if !w.mistaken { // a host without state takes its file's voter list for the one in force
			h.powerOff()
			later(h.powerOn)
		}
	case PullCable:
		h.setNIC(false)
		later(func() { h.setNIC(true) })
	case DiskFull:
		h.diskFull = true
		later(func() { h.diskFull = false })
	case DiskSlow:
		slow := h.diskSlow
		h.diskSlow = 5*ms + length%(300*ms)
		later(func() { h.diskSlow = slow })
	case RefuseAddress:
		h.addresses[v].refused = true
		later(func() { h.addresses[v].refused = false })
	case RemoveAddress:
		if h.addresses[v].up {
			h.note("%s: %s removed by other hands", h.name, h.vips[v].name)
			h.addresses[v].up = false
			h.look()
		}
	case Drain:
		h.feed(core.DrainRequested{On: true})
		later(func() { h.feed(core.DrainRequested{On: false}) })
	case Handback:
		w.vips[v].home.feed(core.HandbackRequested{Name: w.vips[v].name})
	case ChangeVoters, ReplaceVoter, ChangeLease:
		w.configure(a.Kind, h, a.B)
	case CloneHost:
		w.clone(h, length)
	default:
		if !h.witness {
			h.instanceOf[v].disturb(a.Kind, length)
		}
	}
}

// afterwards ends what an act began, unless everything has been mended by then.
func (w *World) afterwards(d int64, do func()) {
	w.after(d, func() {
		if !w.mended {
			do()
		}
	})
}

// disturb does something to the network.
func (w *World) disturb(a Act, h *host) {
	n, end := &w.net, w.now+int64(a.For)
	other := w.hosts[a.B%w.shape.hosts()]
	for i := range w.hosts {
		switch x := a.B >> i & 1; {
		case a.Kind == Split:
			for j := range w.hosts {
				if x != a.B>>j&1 {
					n.cut[i][j] = end
				}
			}
		case a.Kind == Isolate:
			n.cut[i][h.id], n.cut[h.id][i] = end, end
		}
	}
	switch a.Kind {
	case HoldPackets:
		n.hold[h.id] = w.packets(end, a.B)
	case Replay:
		n.replay[h.id] = w.packets(end, a.B)
	case CutOneWay:
		n.cut[h.id][other.id] = end
	case CutPair:
		n.cut[h.id][other.id], n.cut[other.id][h.id] = end, end
	case Lossy:
		n.lossy = end
	case CutClient:
		w.clients[a.B%clients].cut[h.id] = end
	default:
	}
}

// disturbAgent does something to a host's agent.
func (h *host) disturbAgent(k Kind, length int64, which int) {
	switch k {
	case TrapKill, TrapFreeze:
		h.trap = trap{set: true, freeze: k == TrapFreeze, at: moment(which % int(moments)), length: length}
		return
	case FreezeAgent, StallAgent:
		h.freezeFor(length)
		return
	case StopAgent:
		h.feed(core.StopRequested{})
	case RestartAgent:
		h.restart(false)
		return
	default:
		h.note("%s: agent killed", h.name)
		h.kill()
		h.hasFile = h.hasFile && (k != KillLost || h.mistaken)
		h.spoilt = h.spoilt || k == KillSpoilt && !h.mistaken
	}
	// Nobody starts an agent before the last one's cleanup is over.
	h.afterwards(max(length, 11*ms), h.start)
}

// restart kills the agent and starts it at once, or as soon as a cleanup is over.
func (h *host) restart(lost bool) {
	h.note("%s: agent killed", h.name)
	h.kill()
	h.hasFile = h.hasFile && (!lost || h.mistaken)
	h.afterwards(h.between(11*ms, 300*ms), h.start)
}

// disturb does something to a memcached.
func (in *instance) disturb(k Kind, length int64) {
	switch k {
	case ExitMemcached:
		in.exit()
		in.afterwards(length, in.run)
	case RestartMemcached:
		in.exit()
		in.afterwards(in.between(5*ms, 150*ms), in.run)
	case RestartKept:
		in.exit()
		in.keepsMemory = true
		in.afterwards(in.between(5*ms, 150*ms), in.run)
	case HangMemcached:
		in.hang(length)
	case RefuseFlush:
		in.exit()
		in.noFlush = true
		in.afterwards(100*ms, in.run)
		in.afterwards(length+s, func() {
			in.exit()
			in.noFlush = false
			in.run()
		})
	case SlowMemcached:
		in.slow, in.slowTo = length%(500*ms), in.now+length
	case StickWorker:
		in.stick(length)
	case OwnAddress:
		in.ownUse = true
		in.busyTo = in.now + length
		in.last = in.now
		in.total++
	default:
		panic("sim: unknown act " + k.String())
	}
}

// configure changes what the configuration files say and restarts the agents one after the other. The
// operator waits until the last such change has come into force.
func (w *World) configure(k Kind, h *host, b int) {
	if w.rolling() {
		return
	}
	if k == ChangeLease {
		w.lease = [...]time.Duration{200, 600, 1500, 3000}[b%4] * time.Millisecond
		w.roll(w.voters)
		return
	}
	votes, other := slices.Contains(w.voters, h.name), w.hosts[b%w.shape.hosts()]
	var voters []string
	switch {
	case len(w.byName[h.name])+len(w.byName[other.name]) > 2:
		return // two voters of one name are two voters
	case k == ReplaceVoter && votes && !slices.Contains(w.voters, other.name):
		voters = append(without(w.voters, h.name), other.name)
	case k == ChangeVoters && votes && len(w.voters) > 3:
		voters = without(w.voters, h.name)
	case k == ChangeVoters && !votes && len(w.voters) < 6:
		voters = append(slices.Clone(w.voters), h.name)
	default:
		return
	}
	before := w.voters
	w.listBefore, w.changing, w.mistaken = w.hosts[0].said.List.Digest, k == ChangeVoters, k == ReplaceVoter
	w.roll(slices.Sorted(slices.Values(voters)))
	if w.mistaken {
		w.afterwards(10*s, func() { // it is refused, and taken back
			w.roll(before)
			w.afterwards(10*s, func() { w.mistaken = false })
		})
	}
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// roll restarts every agent with a new configuration.
func (w *World) roll(voters []string) {
	w.voters = voters
	w.note("voters now %v, lease %s", voters, w.lease)
	for i, h := range w.hosts {
		if !h.isClone() {
			w.after(int64(i)*w.between(100*ms, s), func() { h.reconfigure(voters) })
		}
	}
}

// reconfigure writes the configuration file and restarts the agent: at once where a fence closes what it
// leaves up, else after it gave everything away.
func (h *host) reconfigure(voters []string) {
	h.voters, h.lease = voters, int64(h.World.lease)
	switch {
	case h.machine == nil || h.frozen:
	case h.shape.Fence.coversFreeze():
		h.note("%s: agent restarted for a new configuration", h.name)
		h.end()
		h.start()
	default:
		h.note("%s: agent stopped for a new configuration", h.name)
		h.feed(core.StopRequested{})
		h.after(s, func() {
			h.kill()
			h.after(11*ms, h.start)
		})
	}
}

// rolling reports whether the last change of the configuration is not in force everywhere yet, as far as
// the agents say.
func (w *World) rolling() bool {
	digest := w.hosts[0].said.List.Digest
	for _, h := range w.hosts {
		if h.isClone() {
			continue
		}
		if h.machine == nil || h.frozen || !h.runsConfigured() || h.said.List.Digest != digest {
			return true
		}
	}
	return w.changing && digest == w.listBefore
}

// runsConfigured reports whether the agent was started with what its file says by now.
func (h *host) runsConfigured() bool {
	return slices.Equal(h.ranWith.Voters, h.voters) && int64(h.ranWith.Lease) == h.lease
}

func (h *host) isClone() bool { return h.id >= h.shape.hosts() }

// clone puts a second host with a host's name and address into the network for a while, as a copied disk
// image does. It has an agent, and no state.
func (w *World) clone(h *host, length int64) {
	if h.witness || slices.Contains(w.voters, h.name) || slices.ContainsFunc(w.hosts, (*host).isClone) {
		return
	}
	c := w.addHost(h.name, false)
	c.furnish()
	c.start()
	w.afterwards(length, c.remove)
}

// remove ends a clone.
func (h *host) remove() {
	h.kill()
	h.powerOff()
	h.byName[h.name] = slices.DeleteFunc(h.byName[h.name], func(o *host) bool { return o == h })
}
