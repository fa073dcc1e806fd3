package trace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"memvip/agent/core"
)

const service = core.Name("10.0.0.101")

// world is three nodes whose run loops are told what happens, by one true time in microseconds and clocks of their own.
type world struct {
	standsBy string // who is told to stand by; "" if nobody is
	now      int64
	nodes    map[string]*node
}

type node struct {
	*Recorder
	world *world
	name  string
	ahead int64         // of the clock
	wall  time.Duration // of the time of day, on top of that
	clock string
}

// begin is the time of day when the world's time is 0.
var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newWorld() *world {
	w := &world{now: 1_000_000_000, nodes: map[string]*node{}}
	for _, name := range []string{"a", "b", "c"} {
		n := &node{world: w, name: name, clock: "one"}
		n.Recorder = New(Options{Node: name, Clock: n.read, VIPs: map[core.Name]string{service: "mc"}})
		w.nodes[name] = n
	}
	return w
}

func (n *node) read() core.Instant {
	return core.Instant(n.world.now+n.ahead) * core.Instant(time.Microsecond)
}

// journals are what the nodes remember, in the order of their names.
func (w *world) journals(names ...string) []Journal {
	var list []Journal
	for _, name := range names {
		n := w.nodes[name]
		j := n.Journal(service)
		j.Clock, j.Wall = n.clock, begin.Add(time.Duration(w.now)*time.Microsecond+n.wall)
		list = append(list, j)
	}
	return list
}

// pass lets true time pass.
func (w *world) pass(micros int64) { w.now += micros }

// hear has a node's loop take an event up.
func (n *node) hear(ev core.Event) { n.Heard(n.read(), ev) }

// order has it carry effects out, each of which takes 10 us.
func (n *node) order(effects ...core.Effect) {
	at := n.read()
	for _, e := range effects {
		n.Ordered(at, e)
		n.world.pass(10)
		n.Done(e)
	}
}

// turn is a change of a node's part.
func turn(from, to core.Role, cause core.Cause, epoch uint64) core.Transition {
	return core.Transition{Name: service, From: from.String(), To: to.String(), Cause: cause, Term: core.Term{Epoch: epoch, Node: "x", ID: 1}}
}

func received(msg core.Message) core.Received { return core.Received{Msg: msg} }

// die: memcached ends on a node, which takes its address down and tells the others. The release has a number.
func (w *world) die(holder string, number uint64, others ...string) core.Release {
	n := w.nodes[holder]
	ended := n.read()
	w.pass(300)
	n.InstanceDown("mc", ended)
	w.pass(40)
	n.hear(core.InstanceWentDown{Instance: "mc"})
	n.order(turn(core.Holding, core.Dropping, core.CauseInstanceDown, 6))
	if w.standsBy != "" {
		word := core.StandBy{From: holder, Name: service}
		n.order(core.Send{To: w.standsBy, Msg: word})
		w.pass(20)
		w.nodes[w.standsBy].hear(received(word))
		w.nodes[w.standsBy].order(core.CheckInstance{Name: service, Number: 1})
		w.pass(200)
		w.nodes[w.standsBy].hear(core.InstanceChecked{Name: service, Number: 1})
	}
	n.order(core.DropAddress{Name: service})
	for _, s := range []struct {
		step Step
		took int64
	}{{Dropping, 100}, {Listed, 60}, {Shut, 40}, {Reset, 100}, {Removed, 100}, {Closed, 200}} {
		w.pass(s.took)
		n.Address(service, s.step)
	}
	w.pass(20)
	n.hear(core.AddressDown{Name: service})
	n.Address(service, Swept) // nobody has waited
	r := core.Release{From: core.Claimant{Node: holder, Start: 1}, Counter: number, Entries: []core.ReleaseEntry{{Name: service, Successor: "c"}}}
	for _, to := range others {
		n.order(core.Send{To: to, Msg: r})
	}
	n.order(turn(core.Dropping, core.Idle, core.CauseReleased, 6))
	return r
}

// name: a voter hears of the release, writes it down and names the successor.
func (w *world) name(voter, successor string, r core.Release) core.Hint {
	n := w.nodes[voter]
	n.hear(received(r))
	n.order(core.SaveState{Seq: 1})
	w.pass(90)
	n.hear(core.StateSaved{Seq: 1})
	h := core.Hint{Voter: voter, Name: service, Last: core.Term{Epoch: 6}, By: r.From.Node}
	n.order(
		core.Send{To: r.From.Node, Msg: core.Ack{Voter: voter, Request: r.Request()}},
		core.Send{To: successor, Msg: h},
	)
	return h
}

// win: a node that was named asks the others, one of which answers, and takes the address.
func (w *world) win(taker string, number uint64, h core.Hint, voter string, others ...string) {
	n, term := w.nodes[taker], core.Term{Epoch: 7, Node: taker, ID: 9}
	n.hear(received(h))
	c := core.Claim{From: core.Claimant{Node: taker, Start: 1}, Counter: number, Entries: []core.ClaimEntry{{Name: service, Kind: core.Fresh, Term: term}}}
	n.order(turn(core.Idle, core.Candidate, core.CauseSuccessor, 0))
	for _, to := range others {
		n.order(core.Send{To: to, Msg: c})
	}
	if w.standsBy == "" {
		n.order(core.CheckInstance{Name: service, Number: 1})
	}
	n.order(core.SaveState{Seq: 2})
	n.hear(core.StateSaved{Seq: 2})

	w.pass(60)
	v := w.nodes[voter]
	v.hear(received(c))
	v.order(core.SaveState{Seq: 3})
	v.hear(core.StateSaved{Seq: 3})
	a := core.Answer{Voter: voter, Request: c.Request()}
	v.order(core.Send{To: taker, Msg: a})

	w.pass(70)
	n.hear(received(a))
	n.order(turn(core.Candidate, core.Taking, core.CauseMajority, 7), core.SaveState{Seq: 4})
	n.hear(core.StateSaved{Seq: 4})
	if w.standsBy == "" {
		w.pass(410)
		n.hear(core.InstanceChecked{Name: service, Number: 1})
	}
	n.order(core.TakeAddress{Name: service, Term: term})
	for _, s := range []Step{Taking, Opened, Added, Announced} {
		w.pass(50)
		n.Address(service, s)
	}
	w.pass(30)
	n.hear(core.AddressUp{Name: service, Term: term})
	n.order(turn(core.Taking, core.Holding, core.CauseAddressUp, 7))
}

// failOver is the whole of it, after which b's word that it heard of the release comes late.
func failOver(w *world) {
	r := w.die("a", 41, "b", "c")
	w.pass(60)
	h := w.name("b", "c", r)
	w.pass(60)
	w.win("c", 17, h, "b", "a", "b")
	w.nodes["a"].hear(received(core.Ack{Voter: "b", Request: r.Request()}))
}

// steps is a path in short.
func short(path []Span) string {
	var b strings.Builder
	for _, s := range path {
		fmt.Fprintf(&b, "%d %s %s +%d\n", s.At, s.Node, s.Step, s.Took)
	}
	return b.String()
}

// assembled fails the test if there is no change of hands.
func assembled(t *testing.T, journals []Journal, holder string) *Timeline {
	t.Helper()
	change := Assemble(journals, holder)
	if change == nil {
		t.Fatal("no change of hands is remembered")
	}
	return change
}
