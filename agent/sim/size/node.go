package size

import (
	"fmt"
	"time"

	"memvip/agent/core"
)

// node is one host and the agent on it.
type node struct {
	w       *World
	name    string
	voter   bool
	machine *core.Machine // nil while the host is dead
	life    int           // grows with every start and death
	own     map[core.Name]bool
	inbox   []core.Event
	working bool // an event is being handled
	wakeAt  core.Instant
	pid     int // of its memcached

	traffic Traffic
	work    Work
}

func (n *node) config() core.Config {
	c := core.Config{Node: n.name, VIPs: n.w.vips, Lease: n.w.shape.Lease, DriftPPM: core.DefaultDriftPPM, Margin: core.MarginMin}
	for _, o := range n.w.nodes {
		c.Nodes = append(c.Nodes, o.name)
		if o.voter {
			c.Voters = append(c.Voters, o.name)
		}
	}
	return c
}

func (n *node) homeOf(name core.Name) bool {
	if n.own == nil {
		n.own = map[core.Name]bool{}
		for _, v := range n.w.vips {
			if v.Home == n.name {
				n.own[v.Name] = true
			}
		}
	}
	return n.own[name]
}

// start boots the host: nothing is left of what was before.
func (n *node) start() {
	n.life++
	n.machine, n.inbox, n.working, n.wakeAt = core.New(n.config()), nil, false, 0
	n.hear(core.Started{Boot: fmt.Sprintf("%s.%d", n.name, n.life), Entropy: n.w.random.Uint64()})
	n.serve()
}

// serve starts the host's memcached.
func (n *node) serve() {
	n.pid++
	n.hear(core.InstanceUp{Instance: instance, Figures: core.Proof{Incarnation: n.incarnation(), TotalItems: 1}})
}

func (n *node) incarnation() core.Incarnation { return core.Incarnation{PID: n.pid, Start: 1} }

// die switches the host off.
func (n *node) die() {
	n.life++
	n.machine, n.inbox = nil, nil
	for _, v := range n.w.vips {
		n.w.lower(v.Name, n)
	}
}

// later does something on the host after a time, if it still lives the same life then.
func (n *node) later(d time.Duration, do func()) {
	life := n.life
	n.w.after(d, func() {
		if n.life == life {
			do()
		}
	})
}

// hear gives the agent an event, which it handles when it comes to it.
func (n *node) hear(e core.Event) {
	if n.machine == nil {
		return
	}
	n.inbox = append(n.inbox, e)
	if !n.working {
		n.working = true
		n.handle()
	}
}

// handle takes the first event from the inbox, and goes on with the next when it is done with it.
func (n *node) handle() {
	e := n.inbox[0]
	n.inbox = n.inbox[1:]
	before := threadTime()
	effects := n.machine.Step(core.Instant(n.w.now)+1, e) // +1: no clock reads zero
	n.work.add(e, threadTime()-before)
	n.carryOut(effects, n.w.shape.Costs.Step)
}

// carryOut does what was ordered, in order, once the agent is done with the step. What comes after a save waits for the
// disk, and the agent with it.
func (n *node) carryOut(effects []core.Effect, after time.Duration) {
	n.later(after, func() {
		for i, e := range effects {
			if s, ok := e.(core.SaveState); ok {
				n.inbox = append([]core.Event{core.StateSaved{Seq: s.Seq}}, n.inbox...)
				n.work.Saves++
				n.carryOut(effects[i+1:], n.w.upTo(n.w.shape.Costs.Save))
				return
			}
			n.obey(e)
		}
		if n.working = len(n.inbox) > 0; n.working {
			n.handle()
		}
	})
}

func (n *node) obey(e core.Effect) {
	c := &n.w.shape.Costs
	switch e := e.(type) {
	case core.Send:
		n.send(e.To, e.Msg)
	case core.PublishState:
		n.publish(e.State)
	case core.WakeAt:
		n.wake(e.At)
	case core.TakeAddress:
		n.done(c.Kernel, core.AddressUp{Name: e.Name, Term: e.Term}, func() { n.w.raise(e.Name, n) })
	case core.DropAddress:
		n.done(c.Kernel, core.AddressDown{Name: e.Name}, func() { n.w.lower(e.Name, n) })
	case core.CheckInstance:
		n.done(c.Check, core.InstanceChecked{Instance: e.Instance, Name: e.Name, Number: e.Number, Proof: e.Proof}, nil)
	case core.WatchQuiet:
		n.later(quiet, func() { n.hear(core.InstanceQuiet(e)) })
	case core.FlushInstance:
		proof := core.Proof{Incarnation: n.incarnation(), TotalItems: 1}
		n.done(c.Check, core.FlushDone{Instance: e.Instance, Attempt: e.Attempt, Proof: proof}, nil)
	case core.ProlongAddress, core.AnnounceAddress, core.StopWatch, core.RestartInstance, core.Transition, core.Exit:
	default:
		panic(fmt.Sprintf("size: unknown effect %T", e))
	}
}

// quiet is how long no client must have touched an instance before it is flushed. There are none here.
const quiet = 2 * time.Second

// done has something done after a time of at most limit, and the agent told.
func (n *node) done(limit time.Duration, e core.Event, do func()) {
	n.later(n.w.upTo(limit), func() {
		if do != nil {
			do()
		}
		n.hear(e)
	})
}

func (n *node) wake(at core.Instant) {
	n.wakeAt = at
	n.later(time.Duration(max(0, int64(at)-1-n.w.now)), func() {
		if n.wakeAt == at {
			n.hear(core.Tick{})
		}
	})
}
