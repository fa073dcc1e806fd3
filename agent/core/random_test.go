package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestRandomSchedules runs bad days drawn from seeds: cuts, crashes, hangs, reboots, drains, on a
// network that loses, doubles and delays. With a fence no two hosts may ever have an address at once,
// nothing old may be read, and after the faults every VIP must be served, at home.
func TestRandomSchedules(t *testing.T) {
	for seed := range randomSeeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			if problem, w := badDay(uint64(seed)); problem != "" {
				t.Errorf("%s\nsee it again: go test ./agent/core -run 'TestRandomSchedules/seed=%d$'\n%s%s",
					problem, seed, strings.Join(w.lines[max(0, len(w.lines)-60):], "\n"), "\n"+w.show())
			}
		})
	}
}

// badDay runs one schedule and returns what went wrong, if anything.
func badDay(seed uint64) (string, *world) {
	r := rand.New(rand.NewPCG(seed, 1))
	nodes := []string{"a", "b", "c", "d", "e"}[:3+r.IntN(3)]
	var vips []VIP
	for i := range 1 + r.IntN(4) {
		vips = append(vips, VIP{
			Name: Name(fmt.Sprintf("v%d", i+1)), Home: nodes[i%len(nodes)], FailbackDelay: time.Millisecond, CanRestart: true,
		})
	}
	w := newWorld(nodes, nil, vips, r.IntN(2) == 0, 600*time.Millisecond)
	w.fence = true
	lossy := r.IntN(3) == 0
	w.network = func() (time.Duration, int) {
		delay := time.Duration(50+r.IntN(300)) * time.Microsecond
		if lossy && r.IntN(30) == 0 {
			delay = time.Duration(r.IntN(800)) * time.Millisecond
		}
		switch {
		case lossy && r.IntN(50) == 0:
			return delay, 0
		case lossy && r.IntN(50) == 0:
			return delay, 2
		}
		return delay, 1
	}
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(6 * time.Second)
	for range 40 {
		w.fault(r)
		for range 1 + r.IntN(8) {
			w.run(time.Duration(r.IntN(400)) * time.Millisecond)
			v := vips[r.IntN(len(vips))].Name
			w.read(v)
			if r.IntN(2) == 0 {
				w.write(v)
			}
		}
		if p := w.broken(); p != "" {
			return p, w
		}
	}
	w.mend()
	lossy = false
	w.run(60 * time.Second)
	if p := w.broken(); p != "" {
		return p, w
	}
	for _, v := range vips {
		if up := w.upAt(v.Name); len(up) != 1 || up[0] != v.Home {
			return fmt.Sprintf("a minute after the last fault %s is on %v, home is %s", v.Name, up, v.Home), w
		}
	}
	return "", w
}

// broken says which promise has been broken so far.
func (w *world) broken() string {
	for _, v := range w.vips {
		if w.twice[v.Name] > 0 {
			return fmt.Sprintf("%s was up on two hosts for %s", v.Name, w.twice[v.Name])
		}
	}
	if w.stale > 0 {
		return fmt.Sprintf("%d stale reads", w.stale)
	}
	return ""
}

// fault does one bad thing, or mends one.
func (w *world) fault(r *rand.Rand) {
	hosts := w.hosts()
	h := hosts[r.IntN(len(hosts))]
	v := w.vips[r.IntN(len(w.vips))].Name
	c := h.cacheOf(v)
	var address string
	for _, x := range h.cfg.VIPs {
		if x.Name == v {
			address = x.Instance
		}
	}
	switch what := r.IntN(19); what {
	case 0, 1:
		var groups [][]string
		for range 2 + r.IntN(2) {
			groups = append(groups, nil)
		}
		for _, x := range hosts {
			i := r.IntN(len(groups))
			groups[i] = append(groups[i], x.name)
		}
		w.note("- split %v", groups)
		w.split(groups)
	case 2:
		o := hosts[r.IntN(len(hosts))]
		w.note("- cut %s>%s", h.name, o.name)
		w.cut[[2]string{h.name, o.name}] = true
	case 3, 4, 5:
		w.note("- heal")
		clear(w.cut)
	case 6:
		w.note("- kill memcached %s %s", h.name, address)
		h.exit(address)
		h.probe(address)
	case 7, 8:
		if !c.running {
			w.note("- run memcached %s %s", h.name, address)
			h.run(address)
			h.probe(address)
		}
	case 9:
		if c.running && !c.hung {
			w.note("- hang %s %s", h.name, address)
			c.hung = true
			for _, x := range w.vips {
				if h.up[x.Name] && h.cacheOf(x.Name) == c && w.newest[x.Name] > 0 {
					c.queued[x.Name] = w.newest[x.Name]
				}
			}
			w.after(500*time.Millisecond, func() {
				if c.hung {
					h.probe(address)
				}
			})
		}
	case 10:
		if c.hung {
			w.note("- unhang %s %s", h.name, address)
			c.unhang()
			h.probe(address)
		}
	case 11:
		w.note("- crash %s", h.name)
		h.m = nil
		h.life++
	case 12, 13:
		if h.m == nil {
			h.valid = h.valid && r.IntN(4) > 0
			w.note("- start %s, state file valid: %t", h.name, h.valid)
			h.isIced, h.frozen = false, nil
			h.start()
		}
	case 16: // an agent restarts within its lease
		if h.m != nil {
			w.note("- restart %s", h.name)
			h.m, h.isIced, h.frozen = nil, false, nil
			h.life++
			w.after(time.Duration(r.IntN(300))*time.Millisecond, h.start)
		}
	case 17: // a blip of one direction
		o := hosts[r.IntN(len(hosts))]
		w.note("- blip %s>%s", h.name, o.name)
		w.cut[[2]string{h.name, o.name}] = true
		w.after(time.Duration(r.IntN(400))*time.Millisecond, func() { delete(w.cut, [2]string{h.name, o.name}) })
	case 18:
		h.diskBad = !h.diskBad
		w.note("- disk of %s full: %t", h.name, h.diskBad)
	case 14:
		on := r.IntN(2) == 0
		w.note("- drain %s %t", h.name, on)
		h.step(DrainRequested{on})
	case 15:
		if r.IntN(2) == 0 {
			w.note("- reboot %s", h.name)
			h.reboot()
		} else {
			w.note("- freeze or thaw %s", h.name)
			h.thaw(!h.isIced)
		}
	}
}

// mend ends every fault.
func (w *world) mend() {
	w.note("- mend")
	clear(w.cut)
	for _, h := range w.hosts() {
		h.diskBad = false
		if h.isIced {
			h.thaw(false)
		}
		if h.m == nil {
			h.start()
		}
		h.step(DrainRequested{false})
		for a, c := range h.caches {
			if c.hung {
				c.unhang()
			}
			if !c.running {
				h.run(a)
			}
			h.probe(a)
		}
	}
}

// unhang lets a memcached apply what it had received.
func (c *cache) unhang() {
	c.hung = false
	for n, v := range c.queued {
		c.values[n] = v
		c.total++
	}
	clear(c.queued)
}

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
