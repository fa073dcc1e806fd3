package core

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// world is a small deterministic cluster around real machines, without anything random: a network with one
// fixed delay, links, state files and memcacheds. It judges what it sees on the links and in the caches, never
// the machines' own opinion. Scenario files drive it (commands_test.go); bad days are agent/sim's.
type world struct {
	now    Instant
	queue  tasks
	serial int
	nodes  map[string]*host
	vips   []VIP
	shared bool
	lease  time.Duration
	delay  time.Duration
	voters []string

	cut                          map[[2]string]bool     // from -> to
	lose                         map[string]bool        // message kinds that never arrive, as "hint" or "hint a"
	hold                         map[string]bool        // message kinds kept back, likewise
	held                         []task                 // what is kept back
	newest                       map[Name]int           // newest acknowledged version per VIP
	lines                        []string               // trace since last taken
	verbose                      bool                   // trace candidates too
	peers                        []string               // who had a part in what changed
	twice                        map[Name]time.Duration // time with two addresses up
	moves                        int                    // addresses that went up
	saveTime, flushTime, addTime time.Duration

	downAt  map[Name]Instant        // when an address last went down
	changed func(*host, Transition) // told of every transition, if not nil

	fence bool // the kernel takes an address down when its lease ends, agent or no agent
	stale int  // reads of an old value
}

// task is something that happens at an instant.
type task struct {
	at     Instant
	serial int
	what   string // for held messages
	do     func()
}

// host is one machine with its kernel, disk and memcacheds.
type host struct {
	name    string
	w       *world
	m       *Machine // nil while the agent is dead
	life    int      // of the agent: effects of a dead one come to nothing
	frozen  []Event
	isIced  bool
	boot    int
	file    Durable
	valid   bool
	diskBad bool
	wakeAt  Instant
	entropy uint64
	cfg     Config
	up      map[Name]bool
	caches  map[string]*cache
	linkBad map[Name]bool
	until   map[Name]Instant // what the fence knows
}

// cache is one memcached process.
type cache struct {
	running, hung bool
	pid           int
	start         int64
	oldest        int64
	total         uint64
	values        map[Name]int // version of each VIP's content, absent: a miss
	keepsMemory   bool         // -e
	noFlush       bool         // -F
	keepsItems    bool         // after a flush, so that it cannot be proved: -o no_modern
	noRestart     bool         // restart_command may not be run
	startsSlowly  bool         // when restart_command is run: it has much memory
	busy          bool         // clients use its own address
	queued        map[Name]int // a write received but not yet applied
	crowded       bool         // so many connect that nobody can tell when the connections of before are gone
	ageless       bool         // nobody knows when the process began
}

func newWorld(nodes, witnesses []string, vips []VIP, shared bool, lease time.Duration) *world {
	w := &world{
		now: 1, nodes: map[string]*host{}, vips: vips, shared: shared, lease: lease, delay: 100 * time.Microsecond,
		saveTime: 50 * time.Microsecond, addTime: addTime, flushTime: time.Millisecond,
		cut: map[[2]string]bool{}, lose: map[string]bool{}, hold: map[string]bool{}, newest: map[Name]int{},
		twice: map[Name]time.Duration{}, downAt: map[Name]Instant{}, voters: slices.Sorted(slices.Values(nodes[:min(3, len(nodes))])),
	}
	if len(witnesses) > 0 {
		w.voters = slices.Sorted(slices.Values(append(slices.Clone(nodes[:2]), witnesses[0])))
	}
	for i, n := range append(slices.Clone(nodes), witnesses...) {
		h := &host{name: n, w: w, boot: 1, up: map[Name]bool{}, caches: map[string]*cache{}, linkBad: map[Name]bool{}, until: map[Name]Instant{}, entropy: uint64(i+1) * 1000}
		w.nodes[n] = h
		h.cfg = Config{
			Node: n, Voters: w.voters, Nodes: slices.Sorted(slices.Values(append(slices.Clone(nodes), witnesses...))),
			Witness: slices.Contains(witnesses, n), MACs: []string{macOf(i + 1)}, VIPs: w.vipsOf(), Lease: lease, DriftPPM: DefaultDriftPPM, Margin: MarginMin,
		}
		if !h.cfg.Witness {
			for _, v := range h.cfg.VIPs {
				if h.caches[v.Instance] == nil {
					h.caches[v.Instance] = &cache{running: true, pid: 100 + len(h.caches), values: map[Name]int{}, queued: map[Name]int{}, total: 1}
				}
			}
		}
	}
	return w
}

// vipsOf gives every VIP its instance: one shared by all, or one each.
func (w *world) vipsOf() []VIP {
	out := slices.Clone(w.vips)
	for i := range out {
		out[i].Instance = "mc"
		if !w.shared {
			out[i].Instance = "mc-" + string(out[i].Name)
		}
	}
	return out
}

func (w *world) note(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("%9.4fs ", time.Duration(w.now-1).Seconds())+fmt.Sprintf(format, args...))
}

// taken returns the trace since it was last taken.
func (w *world) taken() string {
	out := strings.Join(w.lines, "\n")
	w.lines = nil
	if out == "" {
		return "nothing\n"
	}
	return out + "\n"
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), "", do) }

func (w *world) at(at Instant, what string, do func()) {
	w.serial++
	heap.Push(&w.queue, task{at, w.serial, what, do})
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && w.queue[0].at <= end {
		t := heap.Pop(&w.queue).(task)
		w.pass(max(w.now, t.at))
		t.do()
	}
	w.pass(end)
}

// tasks are ordered by time, then by when they were planned (container/heap).
type tasks []task

func (q tasks) Len() int      { return len(q) }
func (q tasks) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q tasks) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].serial, q[j].serial)) < 0
}
func (q *tasks) Push(x any) { *q = append(*q, x.(task)) }
func (q *tasks) Pop() any {
	old := *q
	t := old[len(old)-1]
	*q = old[:len(old)-1]
	return t
}

// pass moves the clock and counts the time with two addresses up.
func (w *world) pass(to Instant) {
	for _, v := range w.vips {
		if len(w.upAt(v.Name)) > 1 {
			w.twice[v.Name] += to.Sub(w.now)
		}
	}
	w.now = to
}

func (w *world) upAt(n Name) []string {
	var out []string
	for _, h := range w.hosts() {
		if h.up[n] {
			out = append(out, h.name)
		}
	}
	return out
}

func (w *world) hosts() []*host {
	var out []*host
	for _, n := range slices.Sorted(maps.Keys(w.nodes)) {
		out = append(out, w.nodes[n])
	}
	return out
}

// start brings an agent to life.
func (h *host) start() {
	if h.m != nil {
		return
	}
	h.life++
	h.entropy++
	h.m = New(h.cfg)
	var present []Name
	for _, v := range h.w.vips {
		if h.up[v.Name] {
			present = append(present, v.Name)
		}
	}
	d := h.file
	valid := h.valid && d.Boot == h.bootID()
	if !valid {
		d = Durable{}
	}
	problem := ""
	if !valid && h.life > 1 {
		problem = "no file"
	}
	h.step(Started{Boot: h.bootID(), Entropy: h.entropy, Durable: d, Valid: valid, Problem: problem, Present: present})
	for _, a := range slices.Sorted(maps.Keys(h.caches)) {
		h.probe(a)
	}
	for n, bad := range h.linkBad {
		h.step(LinkChanged{n, !bad})
	}
}

func (h *host) bootID() string { return fmt.Sprintf("%s-boot%d", h.name, h.boot) }

// probe tells the agent how an instance is.
func (h *host) probe(address string) {
	c := h.caches[address]
	switch {
	case !c.running:
		h.step(InstanceWentDown{address, "exited", true})
	case c.hung:
		h.step(InstanceWentDown{address, "timeout", false})
	default:
		p := c.figures()
		p.Restart = c.total == 0 && !c.keepsMemory
		up := InstanceUp{Instance: address, Figures: p, Began: Instant(c.start), KeepsMemory: c.keepsMemory}
		if c.ageless {
			up.Began = 0
		}
		if c.noFlush {
			up.Unprovable = "flush_all is disabled"
		}
		h.step(up)
	}
}

func (c *cache) figures() Proof {
	return Proof{Incarnation: Incarnation{c.pid, c.start}, Oldest: c.oldest, TotalItems: c.total}
}

// step feeds the machine and carries out what it orders.
func (h *host) step(ev Event) {
	if h.m == nil {
		return
	}
	if h.isIced {
		h.frozen = append(h.frozen, ev)
		return
	}
	for _, e := range h.m.Step(h.w.now, ev) {
		h.carryOut(e)
	}
}

// later brings a result back, unless the agent has died meanwhile.
func (h *host) later(d time.Duration, ev func() Event) {
	life := h.life
	h.w.after(d, func() {
		if h.life == life && h.m != nil {
			h.step(ev())
		}
	})
}

// times of the world's effects.
const (
	addTime   = 200 * time.Microsecond
	dropTime  = 300 * time.Microsecond
	checkTime = 150 * time.Microsecond
	quietTime = 2 * time.Second
)

func (h *host) carryOut(e Effect) {
	w := h.w
	switch e := e.(type) {
	case SaveState:
		life := h.life
		h.later(w.saveTime, func() Event {
			if h.diskBad {
				return SaveFailed{e.Seq, "no space left on device"}
			}
			if h.life == life {
				h.file, h.valid = e.Durable, true
			}
			return StateSaved{e.Seq}
		})
	case Send:
		w.send(h, e)
	case PublishState:
		for _, o := range w.hosts() {
			if o != h {
				w.transmit(h.name, o.name, "state", func() { o.step(StateHeard(e)) })
			}
		}
	case TakeAddress:
		life := h.life
		h.until[e.Name] = e.Until
		w.after(w.addTime, func() {
			if until := h.until[e.Name]; h.life == life && !h.isIced && w.now < until {
				h.putUp(e.Name)
				h.guard(e.Name, until)
			}
		})
		h.later(w.addTime, func() Event {
			if !h.up[e.Name] {
				return AddressFailed{e.Name, e.Term, "too late"}
			}
			return AddressUp{e.Name, e.Term}
		})
	case DropAddress:
		if e.All {
			w.note("%s: looks for every connection of %s", h.name, e.Name)
		}
		h.later(dropTime, func() Event { h.takeDown(e.Name); return AddressDown{Name: e.Name, Took: dropTime} })
	case CheckInstance:
		h.later(checkTime, func() Event { return h.checked(e) })
	case WatchQuiet:
		h.watch(e.Instance)
	case FlushInstance:
		h.later(w.flushTime, func() Event { return h.flush(e) })
	case RestartInstance:
		w.note("%s: restart command for %s", h.name, e.Instance)
		if h.caches[e.Instance].noRestart {
			h.later(10*time.Millisecond, func() Event { return RestartFailed{e.Instance, "access denied"} })
			break
		}
		h.later(10*time.Millisecond, func() Event { h.exit(e.Instance); return InstanceWentDown{e.Instance, "exited", true} })
		back := 50 * time.Millisecond
		if h.caches[e.Instance].startsSlowly {
			back = 800 * time.Millisecond
		}
		w.after(back, func() { h.run(e.Instance) })
		w.after(back+time.Millisecond, func() { h.written(e.Instance) })
		w.after(back+2*time.Millisecond, func() { h.probe(e.Instance) })
	case WakeAt:
		h.wakeAt = e.At
		life := h.life
		w.at(e.At, "", func() {
			if h.life == life && h.wakeAt == e.At {
				h.step(Tick{})
			}
		})
	case Transition:
		if w.changed != nil {
			w.changed(h, e)
		}
		h.trace(e)
	case Exit:
		w.note("%s: leaves%s", h.name, untils(e.Kept))
		h.m = nil
		h.life++
	case ProlongAddress:
		h.guard(e.Name, e.Until)
	case AnnounceAddress:
		switch {
		case e.Once:
			w.note("%s %s: announces it once", h.name, e.Name)
		case w.verbose:
			w.note("%s %s: announces it anew", h.name, e.Name)
		}
		h.announce(e.Name)
	case StopWatch:
	}
}

// untils lists what is left up, and for how long.
func untils(kept []KeptRecord) string {
	if len(kept) == 0 {
		return ""
	}
	var parts []string
	for _, k := range kept {
		parts = append(parts, fmt.Sprintf("%s until %.4fs", k.Name, time.Duration(k.Until-1).Seconds()))
	}
	return " with " + strings.Join(parts, ", ") + " up"
}

// guard is the fence: the address is down at the end of its lease, whatever the agent does.
func (h *host) guard(n Name, until Instant) {
	h.until[n] = max(h.until[n], until)
	if h.w.fence && h.up[n] {
		h.w.at(until, "", func() {
			if h.w.now >= h.until[n] {
				h.takeDown(n)
			}
		})
	}
}

// read looks at what a client would read through a VIP.
func (w *world) read(n Name) {
	for _, name := range w.upAt(n) {
		c := w.nodes[name].cacheOf(n)
		if v, ok := c.values[n]; ok && c.running && !c.hung && v != w.newest[n] {
			w.stale++
			w.note("STALE: %s on %s reads version %d, newest is %d", n, name, v, w.newest[n])
		}
	}
}

// trace notes a change that a reader of a scenario wants to see.
func (h *host) trace(t Transition) {
	if t.Peer != "" && t.Name != HandbackSlot {
		h.w.peers = append(h.w.peers, fmt.Sprintf("%s %s: %s -> %s, %s", h.name, t.Name, t.From, t.To, t.Peer))
	}
	if !h.w.verbose && (t.To == "candidate" || t.To == "taking" || t.Name == HandbackSlot ||
		t.To == "idle" && (t.Cause == CauseReleased || t.Cause == CauseRefused || t.Cause == CauseRival)) {
		return
	}
	what := h.name
	if t.Name != "" {
		what += " " + string(t.Name)
	} else if t.Instance != "" {
		what += " " + t.Instance
	}
	line := fmt.Sprintf("%s: %s -> %s (%s)", what, t.From, t.To, t.Cause)
	if t.Term.Known() {
		line += fmt.Sprintf(" epoch %d", t.Term.Epoch)
	}
	if t.Detail != "" {
		line += ": " + t.Detail
	}
	h.w.note("%s", line)
}

// macOf is the hardware address of the n-th host.
func macOf(n int) string { return fmt.Sprintf("02:00:00:00:00:%02x", n) }

// announce tells everybody on the wire that a VIP is here.
func (h *host) announce(n Name) {
	for _, o := range h.w.hosts() {
		if o != h {
			h.w.transmit(h.name, o.name, "announcement", func() { o.step(AddressSeen{n, h.cfg.MACs[0], 1}) })
		}
	}
}

// putUp puts an address on the link, and looks at what its clients would read.
func (h *host) putUp(n Name) {
	h.up[n] = true
	h.announce(n)
	h.w.moves++
	h.w.read(n)
	if others := h.w.upAt(n); len(others) > 1 {
		h.w.note("TWICE: %s is up on %s", n, strings.Join(others, " and "))
	}
}

func (h *host) takeDown(n Name) {
	if h.up[n] {
		h.w.downAt[n] = h.w.now
	}
	delete(h.up, n)
}

func (h *host) cacheOf(n Name) *cache {
	for _, v := range h.cfg.VIPs {
		if v.Name == n {
			return h.caches[v.Instance]
		}
	}
	panic("no such VIP " + n)
}

// checked compares a cache with its proof, as flush.Verify and flush.Drained do.
func (h *host) checked(e CheckInstance) Event {
	c := h.caches[e.Instance]
	r := InstanceChecked{Instance: e.Instance, Name: e.Name, Number: e.Number, Proof: e.Proof}
	now := c.figures()
	now.Restart = e.Proof.Restart
	if e.Serving {
		now.TotalItems, now.Oldest = e.Proof.TotalItems, e.Proof.Oldest
	}
	switch {
	case !c.running || c.hung:
		r.Reason = "does not answer"
	case slices.ContainsFunc(e.Drained, func(n Name) bool { return c.queued[n] != 0 }):
		r.Reason = "connections left"
	case c.crowded && len(e.Drained) > 0:
		r.Reason = "others connect too often"
	case e.Proof != (Proof{}) && now != e.Proof:
		r.Reason, r.Void = "figures changed", true
	}
	return r
}

func (h *host) watch(address string) {
	h.later(quietTime, func() Event {
		if h.caches[address].busy {
			h.watch(address)
			return InstanceBusy{address, "cmd_get moved"}
		}
		return InstanceQuiet{address}
	})
}

// flush empties a cache and proves it.
func (h *host) flush(e FlushInstance) Event {
	c := h.caches[e.Instance]
	switch {
	case !c.running || c.hung:
		return FlushFailed{e.Instance, e.Attempt, "does not answer"}
	case c.noFlush:
		return FlushFailed{e.Instance, e.Attempt, "flush_all not allowed"}
	case slices.ContainsFunc(e.Drained, func(n Name) bool { return c.queued[n] != 0 }):
		return FlushFailed{e.Instance, e.Attempt, "connections left"}
	case c.keepsItems:
		return FlushFailed{e.Instance, e.Attempt, "not empty"}
	}
	c.values, c.oldest = map[Name]int{}, int64(h.w.now)
	return FlushDone{e.Instance, e.Attempt, c.figures()}
}

// written is what clients do to a memcached before anybody else comes to look.
func (h *host) written(address string) {
	for _, v := range h.cfg.VIPs {
		if v.Instance == address && h.up[v.Name] {
			h.w.write(v.Name)
		}
	}
}

// exit ends a memcached; run starts it again, empty unless it keeps memory.
func (h *host) exit(address string) { h.caches[address].running = false }

func (h *host) run(address string) {
	c := h.caches[address]
	c.running, c.hung = true, false
	c.pid++
	c.start = int64(h.w.now)
	c.queued = map[Name]int{}
	if !c.keepsMemory {
		c.values, c.total, c.oldest = map[Name]int{}, 0, 0
	}
}

// write stores a new version through a VIP wherever its address is up.
func (w *world) write(n Name) {
	up := w.upAt(n)
	if len(up) == 0 {
		w.note("write %s: nobody answers", n)
		return
	}
	c := w.nodes[up[0]].cacheOf(n)
	if !c.running || c.hung {
		w.note("write %s: no answer", n)
		return
	}
	w.newest[n]++
	c.values[n] = w.newest[n]
	c.total++
}

// send transmits a message, unless the network is told otherwise.
func (w *world) send(from *host, e Send) {
	kind := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e.Msg), "core."))
	w.transmit(from.name, e.To, kind, func() {
		if to := w.nodes[e.To]; to != nil {
			to.step(Received{Source: from.name + ":7946", Msg: e.Msg})
		}
	})
}

func (w *world) transmit(from, to, kind string, deliver func()) {
	if w.nodes[to] == nil || w.cut[[2]string{from, to}] {
		return
	}
	for _, pattern := range []string{kind, kind + " " + from, kind + " " + from + ">" + to, kind + " >" + to} {
		if w.lose[pattern] {
			return
		}
		if w.hold[pattern] {
			w.held = append(w.held, task{what: kind + " " + from + ">" + to, do: deliver})
			return
		}
	}
	w.after(w.delay, deliver)
}

// split cuts every pair of nodes that is not in one group, both ways.
func (w *world) split(groups [][]string) {
	side := map[string]int{}
	for i, g := range groups {
		for _, n := range g {
			side[n] = i + 1
		}
	}
	for _, a := range w.hosts() {
		for _, b := range w.hosts() {
			w.cut[[2]string{a.name, b.name}] = a != b && side[a.name] != side[b.name]
		}
	}
}

// show prints who has which address and how the caches stand.
func (w *world) show() string {
	var b strings.Builder
	for _, v := range w.vips {
		up := w.upAt(v.Name)
		where := "nowhere"
		if len(up) > 0 {
			where = "on " + strings.Join(up, " and ")
		}
		fmt.Fprintf(&b, "%s %s (home %s)\n", v.Name, where, v.Home)
	}
	for _, h := range w.hosts() {
		if h.m == nil {
			fmt.Fprintf(&b, "%s: no agent\n", h.name)
			continue
		}
		var parts []string
		s := h.m.describe()
		for _, v := range s.VIPs {
			word := "tainted"
			switch {
			case v.Role == Holding:
				word = "holding"
			case v.Clean:
				word = "clean"
			case v.Served.Known():
				word = "continues"
			}
			if v.Standing != Eligible {
				word += "/" + v.Standing.String()
			}
			if v.Coming != NotAway {
				word += "/" + v.Coming.String()
				if v.Coming == AwayRefused || v.Coming == AwayTainted {
					word += "/" + v.Refused.String()
				}
			}
			if v.Conflict != "" {
				word += strings.TrimSuffix(fmt.Sprintf(" (claimed by %s %s", v.Conflict, v.ConflictNode), " ") + ")"
			}
			parts = append(parts, string(v.Name)+" "+word)
		}
		fmt.Fprintf(&b, "%s: %s\n", h.name, strings.Join(parts, ", "))
		switch c := h.m.Status(w.now).Change; {
		case c == nil:
		case c.Refused != "":
			fmt.Fprintf(&b, "%s: %s\n", h.name, c.Refused)
		default:
			fmt.Fprintf(&b, "%s: from voters %s to %s, waits for %s\n", h.name, c.From, c.To, c.WaitsFor)
		}
	}
	for _, v := range w.vips {
		if d := w.twice[v.Name]; d > 0 {
			fmt.Fprintf(&b, "%s was up twice for %s\n", v.Name, d)
		}
	}
	return b.String()
}

// reboot begins host and memcacheds anew; nothing on tmpfs is left.
func (h *host) reboot() {
	h.m, h.valid, h.up, h.isIced, h.frozen = nil, false, map[Name]bool{}, false, nil
	h.life++
	h.boot++
	for a := range h.caches {
		h.run(a)
	}
	h.start()
}

// thaw ends a freeze: what happened meanwhile is noticed now. Or begins one.
func (h *host) thaw(freeze bool) {
	h.isIced = freeze
	events := h.frozen
	h.frozen = nil
	for _, e := range events {
		h.step(e)
	}
}
