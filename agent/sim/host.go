package sim

import (
	"fmt"
	"slices"
	"time"

	"memvip/agent/core"
)

// host is one machine: its clock, its network card, its disk, its memcacheds, and the agent on it, which
// is the core's state machine as it ships.
type host struct {
	*World
	id      int
	name    string
	source  string
	witness bool
	clock   clock
	boot    int
	on, nic bool

	machine *core.Machine // nil while no agent runs
	life    uint64        // grows with every start and end of an agent
	frozen  bool
	saving  bool     // the loop waits for the disk
	saved   func()   // what a frozen agent does first when it thaws: a save has ended
	backlog []func() // what an agent that stands still will do
	trap    trap
	leaving departure // what is to become of an agent that was told to leave with its addresses up
	waiting []func()  // packets that are held back
	wakeAt  core.Instant
	voters  []string // as its configuration file says
	lease   int64    // likewise
	ranWith core.Config
	said    core.NodeState // what it last told everybody

	file       core.Durable
	hasFile    bool
	spoilt     bool // the file cannot be read
	diskFull   bool
	diskSlow   int64             // each save takes this long
	addresses  []address         // by VIP
	bars       []bar             // by VIP
	began      int64             // when the agent was started
	met        map[string]uint64 // by MAC: the life in which the agent was told it as somebody's own
	instances  []*instance
	instanceOf []*instance // by VIP
}

func (w *World) addHost(name string, witness bool) *host {
	h := &host{
		World: w, id: len(w.hosts), name: name, source: source(name, len(w.hosts)), witness: witness, on: true, nic: true,
		clock: clock{base: w.between(s, 1_000_000*s), ppm: w.random.Int64N(2*w.shape.DriftPPM+1) - w.shape.DriftPPM},
		met:   map[string]uint64{}, boot: 1, voters: w.voters, lease: int64(w.lease), diskSlow: 20*us + w.random.Int64N(300*us),
	}
	w.hosts = append(w.hosts, h)
	w.byName[name] = append(w.byName[name], h)
	return h
}

// furnish gives a host its addresses and memcacheds, once the VIPs are known. What those hold is old.
func (h *host) furnish() {
	h.addresses, h.bars = make([]address, len(h.vips)), make([]bar, len(h.vips))
	if h.witness {
		return
	}
	for v := range h.vips {
		if v == 0 || !h.shape.Shared {
			h.instances = append(h.instances, newInstance(h, len(h.instances)))
		}
		h.instanceOf = append(h.instanceOf, h.instances[len(h.instances)-1])
	}
}

// instanceName is how the configuration names the memcached that serves a VIP, on every host alike.
func (w *World) instanceName(v int) string {
	if w.shape.Shared {
		return "mc"
	}
	return "mc-" + string(w.vips[v].name)
}

// config is the agent's configuration as its file says at this moment.
func (h *host) config() core.Config {
	c := core.Config{
		Node: h.name, Voters: h.voters, Witness: h.witness, Lease: time.Duration(h.lease), DriftPPM: core.DefaultDriftPPM,
		Margin: core.MarginMin, MACs: []string{h.mac()},
	}
	for _, o := range h.hosts {
		if !slices.Contains(c.Nodes, o.name) {
			c.Nodes = append(c.Nodes, o.name)
		}
	}
	slices.Sort(c.Nodes)
	for i, v := range h.vips {
		x := core.VIP{
			Name: v.name, Home: v.home.name, Instance: h.instanceName(i), FailbackDelay: h.shape.Failback, CanRestart: h.shape.Restart,
		}
		if i == 0 && h.shape.Manual {
			x.Failback = core.FailbackManual
		}
		c.VIPs = append(c.VIPs, x)
	}
	return c
}

func (h *host) reads() core.Instant { return h.clock.read(h.now) }

// bootID is the kernel's boot id with the network namespace's cookie.
func (h *host) bootID() string { return fmt.Sprintf("%s.%d", h.source, h.boot) }

// start brings the agent up, if the host is on and none runs.
func (h *host) start() {
	if !h.on || h.machine != nil {
		return
	}
	h.life++
	h.began = h.now
	h.wakeAt = 0
	var present []core.Name
	for v := range h.vips {
		a := &h.addresses[v]
		a.begin()
		if !a.up {
			a.disconnect() // swept
			a.tenure = 0
		} else {
			present = append(present, h.vips[v].name)
		}
	}
	started := core.Started{Boot: h.bootID(), Entropy: h.random.Uint64(), Present: present}
	switch {
	case h.hasFile && h.spoilt:
		started.Problem = "checksum does not fit"
	case h.hasFile && h.file.Boot == started.Boot:
		started.Durable, started.Valid = h.file, true
	}
	h.note("%s: agent starts, state file valid: %t", h.name, started.Valid)
	h.ranWith = h.config()
	h.machine = core.New(h.ranWith)
	h.feed(started)
	h.arrivals()
	for _, in := range h.instances {
		in.told = told{}
		in.observe(h.between(200*us, 5*ms))
	}
	if !h.nic {
		h.tellLink(false)
	}
}

// end stops the agent at once, as a kill does.
func (h *host) end() {
	h.machine, h.frozen, h.saving, h.saved, h.backlog, h.leaving = nil, false, false, nil, nil, departure{}
	h.life++
}

// kill ends the agent. The unit's cleanup, where there is one, follows at once.
func (h *host) kill() {
	if h.machine == nil {
		return
	}
	h.end()
	h.cleanupSoon()
}

// cleanupSoon runs the unit's cleanup, if there is one, unless an agent starts before.
func (h *host) cleanupSoon() {
	if !h.shape.Fence.cleanup() {
		return
	}
	life := h.life
	h.after(h.between(2*ms, 10*ms), func() {
		if h.on && h.life == life {
			h.cleanup()
		}
	})
}

// cleanup takes every managed address down but those that the last agent left up for the next.
func (h *host) cleanup() {
	marked := h.hasFile && !h.spoilt && h.file.Boot == h.bootID()
	for v, vip := range h.vips {
		if !marked || !h.file.Keeps(vip.name, h.reads()) {
			h.takeDown(v, byCleanup)
		}
	}
}

// feed gives the agent an event and carries out what it orders.
func (h *host) feed(ev core.Event) {
	switch {
	case h.machine == nil:
	case h.stands():
		h.backlog = append(h.backlog, func() { h.feed(ev) })
	default:
		h.seen.Steps++
		h.meet(ev)
		effects := h.machine.Step(h.reads(), ev)
		h.judgeClaims(effects)
		h.carryOutAll(effects)
	}
}

// stands reports whether the agent's loop stands still.
func (h *host) stands() bool { return h.frozen || h.saving }

// carryOutAll does what the machine orders, one after the other. A save holds up what comes after it.
func (h *host) carryOutAll(effects []core.Effect) {
	life := h.life
	for i, e := range effects {
		if h.life != life {
			return
		}
		if save, ok := e.(core.SaveState); ok {
			h.save(save, effects[i+1:])
			h.spring(whenSaving)
			return
		}
		h.carryOut(e)
		h.springOn(e)
	}
}

// save replaces the state file, and then goes on. A rename leaves the old one or the new one.
func (h *host) save(e core.SaveState, rest []core.Effect) {
	h.saving = true
	life := h.life
	end := func() {
		h.saving = false
		var result core.Event = core.StateSaved{Seq: e.Seq}
		if h.diskFull {
			result = core.SaveFailed{Seq: e.Seq, Err: "no space left on device"}
		} else {
			h.file, h.hasFile, h.spoilt = e.Durable, true, false
			if h.spring(whenSaved); h.life != life {
				return
			}
		}
		h.backlog = append([]func(){func() { h.feed(result) }}, h.backlog...)
		h.carryOutAll(rest)
		h.goOn()
	}
	h.after(h.diskSlow, func() {
		switch {
		case h.life != life:
		case h.frozen:
			h.saved = end
		default:
			end()
		}
	})
}

// goOn does what came in while the agent stood still.
func (h *host) goOn() {
	life := h.life
	for len(h.backlog) > 0 && h.life == life && !h.stands() {
		do := h.backlog[0]
		h.backlog = h.backlog[1:]
		do()
	}
}

// later has the agent do something after a time: not if it has died by then, and if it is frozen when it
// thaws.
func (h *host) later(d int64, do func()) {
	life := h.life
	h.after(d, func() {
		switch {
		case h.life != life:
		case h.stands():
			h.backlog = append(h.backlog, do)
		default:
			do()
		}
	})
}

// receive takes a packet from the network: whichever agent runs by now reads it.
func (h *host) receive(ev core.Event) {
	if h.on && h.nic {
		h.feed(ev)
	}
}

func (h *host) freeze() {
	if h.machine != nil && !h.frozen {
		h.frozen = true
		h.note("%s: agent frozen", h.name)
	}
}

func (h *host) freezeFor(length int64) {
	h.freeze()
	life := h.life
	h.afterwards(length, func() {
		if h.life == life {
			h.thaw()
		}
	})
}

func (h *host) thaw() {
	if !h.frozen {
		return
	}
	h.note("%s: agent thaws", h.name)
	h.frozen = false
	if saved := h.saved; saved != nil {
		h.saved = nil
		saved()
	}
	h.goOn()
}

// powerOff ends everything that runs on the host.
func (h *host) powerOff() {
	if !h.on {
		return
	}
	h.note("%s: power lost", h.name)
	h.end()
	h.on, h.hasFile, h.spoilt = false, false, false // the state file is on tmpfs
	for v := range h.vips {
		h.addresses[v].gone()
	}
	for _, in := range h.instances {
		in.exit()
	}
	h.look()
}

// powerOn boots the host: another boot id, empty memcacheds, the agent a little later.
func (h *host) powerOn() {
	if h.on {
		return
	}
	h.note("%s: boots", h.name)
	h.on = true
	h.boot++
	h.clock.base = h.between(s, 10*s) - h.now
	for _, in := range h.instances {
		in.run()
	}
	h.after(h.between(10*ms, 500*ms), h.start)
	h.look()
}

// setNIC plugs or pulls the host's network cable.
func (h *host) setNIC(up bool) {
	if h.nic == up {
		return
	}
	h.note("%s: network up: %t", h.name, up)
	h.nic = up
	h.later(h.between(50*us, 2*ms), func() { h.tellLink(h.nic) })
	h.look()
}

func (h *host) tellLink(up bool) {
	for _, v := range h.vips {
		h.feed(core.LinkChanged{Name: v.name, Up: up})
	}
}
