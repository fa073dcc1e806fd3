package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// order is one line of a scenario.
type order struct {
	*world
	t    *testing.T
	d    *datadriven.TestData
	args []string
}

// carryOut carries out one line, and returns what came of it.
func carryOut(t *testing.T, w *world, d *datadriven.TestData) string {
	o := &order{world: w, t: t, d: d}
	for _, a := range d.CmdArgs {
		o.args = append(o.args, a.Key)
	}
	if look := looks[d.Cmd]; look != nil {
		return look(o)
	}
	for _, deeds := range []map[string]func(*order){onNetwork, onAgent, onMemcached, onHost, byOperator} {
		if do := deeds[d.Cmd]; do != nil {
			do(o)
			if len(w.lines) > 0 {
				return w.taken()
			}
			return "ok\n"
		}
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

// on is the host that the first argument names.
func (o *order) on() *host {
	if len(o.args) == 0 || o.nodes[o.args[0]] == nil {
		o.t.Fatalf("%s: no such node", o.d.Pos)
	}
	return o.nodes[o.args[0]]
}

// name is an argument that names a VIP.
func (o *order) name(i int) Name { return Name(o.args[i]) }

// instance is the memcached that the second argument names, or the only one.
func (o *order) instance() string {
	if len(o.args) > 1 && o.on().caches[o.args[1]] != nil {
		return o.args[1]
	}
	return "mc"
}

// looks have an answer of their own.
var looks = map[string]func(o *order) string{
	"cluster": func(*order) string { return "ok\n" }, // TestScenario made it
	"verbose": func(o *order) string {
		o.verbose = !o.d.HasArg("off")
		return "ok\n"
	},
	"advance": func(o *order) string {
		o.run(duration(o.t, o.args[0]))
		return o.taken()
	},
	"show": func(o *order) string { return o.show() },
	"write": func(o *order) string {
		for i := range o.args {
			o.write(o.name(i))
		}
		return o.taken()
	},
	"counted": func(o *order) string { // what the host has counted of conflicts
		counts := o.on().m.counts
		return fmt.Sprintf("conflict %d, member_conflict %d, conflict_unsure %d\n", counts["conflict"], counts["member_conflict"], counts["conflict_unsure"])
	},
	"expect-moves": func(o *order) string { return fmt.Sprintf("%d\n", o.moves) },
}

var onNetwork = map[string]func(o *order){
	"split":  func(o *order) { o.split(groupsOf(o.args)) },
	"heal":   func(o *order) { clear(o.cut) },
	"cut":    func(o *order) { o.cut[[2]string{o.args[0], o.args[1]}] = true }, // one way
	"lose":   func(o *order) { o.lose[strings.Join(o.args, " ")] = true },
	"unlose": func(o *order) { clear(o.lose) },
	"hold":   func(o *order) { o.hold[strings.Join(o.args, " ")] = true },
	"deliver": func(o *order) { // what was held back, in its order; "twice" delivers everything once more
		clear(o.hold)
		for range 1 + min(1, len(o.args)) {
			for _, x := range o.held {
				o.after(o.delay, x.do)
			}
		}
		o.held = nil
	},
}

var onAgent = map[string]func(o *order){
	"crash": func(o *order) { // the agent dies, the host lives on
		h := o.on()
		h.m = nil
		h.life++
	},
	"start": func(o *order) {
		h := o.on()
		if len(o.args) > 1 && o.args[1] == "lost" {
			h.valid = false
		}
		h.m = nil
		h.start()
	},
	"stop":   func(o *order) { o.on().step(StopRequested{Keep: o.d.HasArg("keep")}) }, // "stop a keep" leaves everything as it is
	"freeze": func(o *order) { o.on().thaw(true) },
	"thaw":   func(o *order) { o.on().thaw(false) },
	"voters": func(o *order) { // a new list in the configuration; the agent is restarted to read it
		h := o.on()
		h.cfg.Voters = slices.Sorted(slices.Values(words(o.d, "list")))
		h.cfg.VotersOff = words(o.d, "off")
		h.m = nil
		h.start()
	},
}

var onMemcached = map[string]func(o *order){
	"kill": func(o *order) { // it dies
		o.on().exit(o.instance())
		o.on().probe(o.instance())
	},
	"run": func(o *order) { // it starts
		o.on().run(o.instance())
		o.on().probe(o.instance())
	},
	"crowd":   func(o *order) { o.on().cacheOf(o.name(1)).crowded = true },
	"ageless": func(o *order) { o.on().cacheOf(o.name(1)).ageless = true },

	"hang":   func(o *order) { o.hang(true) },
	"unhang": func(o *order) { o.hang(false) },
	"set":    func(o *order) { o.on().set(o.t, o.instance(), o.args[len(o.args)-1]) },
	"queue": func(o *order) { // it has received a write on a VIP that it has not applied
		o.on().cacheOf(o.name(1)).queued[o.name(1)] = o.newest[o.name(1)]
	},
	"undrained": func(o *order) { // it has closed them at last
		for _, c := range o.on().caches {
			clear(c.queued)
		}
	},
}

func (o *order) hang(hung bool) {
	o.on().caches[o.instance()].hung = hung
	o.on().probe(o.instance())
}

var onHost = map[string]func(o *order){
	"reboot": func(o *order) { o.on().reboot() }, // host and memcacheds begin anew, nothing on tmpfs is left
	"link": func(o *order) {
		o.on().linkBad[o.name(1)] = o.args[2] == "down"
		o.on().step(LinkChanged{o.name(1), o.args[2] == "up"})
	},
	"claim": func(o *order) { // "claim v1 MAC [a b]": a host that is no member says that it has a VIP, to some hosts or to all
		for _, h := range o.hosts() {
			if len(o.args) == 2 || slices.Contains(o.args[2:], h.name) {
				h.step(AddressSeen{o.name(0), o.args[1], 1})
			}
		}
	},
	"announce": func(o *order) { o.on().announce(o.name(1)) }, // "announce a v1": a member says so, whether it has it or not
	"former": func(o *order) { // "former a 7": others tell of a life that it has forgotten, with that number
		start, err := strconv.ParseUint(o.args[1], 10, 64)
		if err != nil {
			o.t.Fatal(err)
		}
		o.on().step(StateHeard{NodeState{Node: o.args[0], Start: start, Seq: 9}})
	},
	"macs": func(o *order) { // "macs a MAC MAC": its links have these now
		o.on().cfg.MACs = o.args[1:]
		o.on().step(MACsChanged{o.args[1:]})
	},
	"gone": func(o *order) { // "gone a v1": other hands removed the address, and it has been put back
		o.on().step(AddressGone{o.name(1)})
		o.on().step(AddressRestored{o.name(1)})
	},
	"unfenced": func(o *order) { // "unfenced a v1": its fence cannot be renewed
		o.on().step(AddressLost{Name: o.name(1), Err: "no fence: operation not permitted"})
	},
	"fence": func(o *order) { o.fence = true },
	"slow": func(o *order) { // "slow disk 500ms", "slow flush 500ms", "slow kernel 500ms": to put an address up
		times := map[string]*time.Duration{"disk": &o.saveTime, "flush": &o.flushTime, "kernel": &o.addTime}
		*times[o.args[0]] = duration(o.t, o.args[1])
	},
	"disk": func(o *order) { o.on().diskBad = o.args[1] == "full" },
}

var byOperator = map[string]func(o *order){
	"drain":    func(o *order) { o.on().step(DrainRequested{true}) },
	"undrain":  func(o *order) { o.on().step(DrainRequested{false}) },
	"handback": func(o *order) { o.on().step(HandbackRequested{o.name(1)}) },
	"move": func(o *order) { // "move v1 c": asks everybody, the holder does it
		for _, h := range o.hosts() {
			h.step(MoveRequested{o.name(0), o.args[1]})
		}
	},
	"pause":  func(o *order) { o.on().step(PauseRequested{true}) },
	"resume": func(o *order) { o.on().step(PauseRequested{false}) },
	"flush":  func(o *order) { o.on().step(FlushRequested{o.instance()}) }, // "flush a"
}
