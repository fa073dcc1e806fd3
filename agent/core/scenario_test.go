package core

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScenario runs the files of testdata/cluster against whole clusters.
func TestScenario(t *testing.T) {
	eachScenario(t, "testdata/cluster", func() func(*testing.T, *datadriven.TestData) string {
		var w *world
		return func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				w = clusterOf(t, d)
			}
			return command(t, w, d)
		}
	})
}

// eachScenario runs every file of a folder: one question each, asked in its first comment.
func eachScenario(t *testing.T, dir string, begin func() func(*testing.T, *datadriven.TestData) string) {
	files, err := filepath.Glob(dir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil || !strings.HasPrefix(string(text), "# ") {
				t.Fatalf("%s does not begin with its question", f)
			}
			datadriven.RunTest(t, f, begin())
		})
	}
}

// words returns the values of an argument, or none.
func words(d *datadriven.TestData, key string) []string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

// clusterOf reads "cluster nodes=(a,b,c) vips=(v1@a,v2@b) [witnesses=(w)] [lease=600ms] [own] [failback=manual] [restart]".
func clusterOf(t *testing.T, d *datadriven.TestData) *world {
	lease := 600 * time.Millisecond
	if l := words(d, "lease"); len(l) == 1 {
		lease = duration(t, l[0])
	}
	policy := FailbackAuto
	if p := words(d, "failback"); len(p) == 1 {
		policy = map[string]Failback{"auto": FailbackAuto, "manual": FailbackManual, "never": FailbackNever}[p[0]]
	}
	var vips []VIP
	for _, v := range words(d, "vips") {
		name, home, ok := strings.Cut(v, "@")
		if !ok {
			t.Fatalf("%s: VIP %q has no home", d.Pos, v)
		}
		vips = append(vips, VIP{Name: Name(name), Home: home, Failback: policy, FailbackDelay: 5 * time.Second, CanRestart: d.HasArg("restart")})
	}
	w := newWorld(words(d, "nodes"), words(d, "witnesses"), vips, !d.HasArg("own"), lease)
	for _, h := range w.hosts() {
		h.start()
	}
	return w
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// command carries out one line of a scenario.
func command(t *testing.T, w *world, d *datadriven.TestData) string {
	var args []string
	for _, a := range d.CmdArgs {
		args = append(args, a.Key)
	}
	on := func(i int) *host {
		if len(args) <= i || w.nodes[args[i]] == nil {
			t.Fatalf("%s: no such node", d.Pos)
		}
		return w.nodes[args[i]]
	}
	instance := func(h *host) string {
		if len(args) > 1 && h.caches[args[1]] != nil {
			return args[1]
		}
		return "mc"
	}
	switch d.Cmd {
	case "cluster":
		return "ok\n"
	case "verbose":
		w.verbose = !d.HasArg("off")
		return "ok\n"
	case "advance":
		w.run(duration(t, args[0]))
		return w.taken()
	case "show":
		return w.show()
	case "write":
		for _, n := range args {
			w.write(Name(n))
		}
		return w.taken()
	case "split":
		w.split(groupsOf(args))
	case "heal":
		clear(w.cut)
	case "cut": // one way
		w.cut[[2]string{args[0], args[1]}] = true
	case "lose", "hold":
		m := map[string]map[string]bool{"lose": w.lose, "hold": w.hold}[d.Cmd]
		m[strings.Join(args, " ")] = true
	case "unlose":
		clear(w.lose)
	case "deliver": // what was held back, in its order; "twice" delivers everything once more
		clear(w.hold)
		for range 1 + min(1, len(args)) {
			for _, x := range w.held {
				w.after(w.delay, x.do)
			}
		}
		w.held = nil
	case "crash": // the agent dies, the host lives on
		h := on(0)
		h.m = nil
		h.life++
	case "start":
		h := on(0)
		if len(args) > 1 && args[1] == "lost" {
			h.valid = false
		}
		h.m = nil
		h.start()
	case "reboot": // host and memcacheds begin anew, nothing on tmpfs is left
		on(0).reboot()
	case "freeze", "thaw":
		on(0).thaw(d.Cmd == "freeze")
	case "kill": // memcached dies
		h := on(0)
		h.exit(instance(h))
		h.probe(instance(h))
	case "run": // memcached starts
		h := on(0)
		h.run(instance(h))
		h.probe(instance(h))
	case "hang", "unhang":
		h := on(0)
		h.caches[instance(h)].hung = d.Cmd == "hang"
		h.probe(instance(h))
	case "set":
		on(0).set(t, instance(on(0)), args[len(args)-1])
	case "queue": // memcached has received a write on a VIP that it has not applied
		on(0).cacheOf(Name(args[1])).queued[Name(args[1])] = w.newest[Name(args[1])]
	case "undrained": // it has closed them at last
		for _, c := range on(0).caches {
			clear(c.queued)
		}
	case "stop": // "stop a keep" leaves everything as it is
		on(0).step(StopRequested{Keep: d.HasArg("keep")})
	case "drain", "undrain":
		on(0).step(DrainRequested{d.Cmd == "drain"})
	case "handback":
		on(0).step(HandbackRequested{Name(args[1])})
	case "move": // "move v1 c": the operator asks everybody, the holder does it
		for _, h := range w.hosts() {
			h.step(MoveRequested{Name(args[0]), args[1]})
		}
	case "pause", "resume":
		on(0).step(PauseRequested{d.Cmd == "pause"})
	case "flush": // "flush a": the operator wants it flushed
		on(0).step(FlushRequested{instance(on(0))})
	case "link":
		h := on(0)
		h.linkBad[Name(args[1])] = args[2] == "down"
		h.step(LinkChanged{Name(args[1]), args[2] == "up"})
	case "claim": // "claim v1 MAC [a b]": a host that is no member says that it has a VIP, to some hosts or to all
		for _, h := range w.hosts() {
			if len(args) == 2 || slices.Contains(args[2:], h.name) {
				h.step(AddressSeen{Name(args[0]), args[1], 1})
			}
		}
	case "announce": // "announce a v1": a member says so, whether it has it or not
		on(0).announce(Name(args[1]))
	case "macs": // "macs a MAC MAC": its links have these now
		h := on(0)
		h.cfg.MACs = args[1:]
		h.step(MACsChanged{args[1:]})
	case "counted": // what the host has counted of conflicts
		counts := on(0).m.counts
		return fmt.Sprintf("conflict %d, member_conflict %d, conflict_unsure %d\n", counts["conflict"], counts["member_conflict"], counts["conflict_unsure"])
	case "gone": // "gone a v1": other hands removed the address, and it has been put back
		h := on(0)
		h.step(AddressGone{Name(args[1])})
		h.step(AddressRestored{Name(args[1])})
	case "unfenced": // "unfenced a v1": its fence cannot be renewed
		on(0).step(AddressLost{Name(args[1]), "no fence: operation not permitted"})
	case "fence":
		w.fence = true
	case "slow": // "slow disk 500ms", "slow flush 500ms", "slow kernel 500ms": to put an address up
		*map[string]*time.Duration{"disk": &w.saveTime, "flush": &w.flushTime, "kernel": &w.addTime}[args[0]] = duration(t, args[1])
	case "disk":
		on(0).diskBad = args[1] == "full"
	case "voters": // a new list in the configuration; the agent is restarted to read it
		h := on(0)
		h.cfg.Voters = slices.Sorted(slices.Values(words(d, "list")))
		h.cfg.VotersOff = words(d, "off")
		h.m = nil
		h.start()
	case "expect-moves":
		return fmt.Sprintf("%d\n", w.moves)
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	if len(w.lines) > 0 {
		return w.taken()
	}
	return "ok\n"
}

// set changes how a memcached behaves.
func (h *host) set(t *testing.T, address, what string) {
	c := h.caches[address]
	switch what {
	case "noflush":
		c.noFlush = true
		h.probe(address)
	case "norestart":
		c.noRestart = true
	case "restart":
		c.noRestart = false
	case "keepsmemory":
		c.keepsMemory = true
		h.probe(address)
	case "busy":
		c.busy = true
	case "idle":
		c.busy = false
	case "replaced": // it restarted, and nobody has noticed yet
		h.run(address)
		c.values["v1"] = -1
	case "anew": // likewise, and it is empty
		h.run(address)
	case "touched": // somebody wrote on the host's own address
		c.total++
	default:
		t.Fatalf("unknown setting %q", what)
	}
}

// groupsOf reads "a b | c".
func groupsOf(args []string) [][]string {
	groups := [][]string{nil}
	for _, a := range args {
		if a == "|" {
			groups = append(groups, nil)
			continue
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], a)
	}
	return groups
}
