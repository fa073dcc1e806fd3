package sim

import (
	"strings"
)

// The rules that a world is judged by; doc.go says them in full.
const (
	ruleOneHolder = "one holder"
	ruleStale     = "never stale"
	ruleProof     = "no service without proof"
	ruleServed    = "served in time"
	ruleHome      = "home in time"
	ruleRest      = "nothing moves at rest"
	ruleShare     = "an even share"
	ruleForeign   = "foreign hosts"
	ruleInvariant = "invariant"
)

// judgeAnswers counts who answers on a VIP. It is asked whenever somebody begins to.
func (w *World) judgeAnswers(v int) {
	var who []string
	for _, h := range w.hosts {
		if h.answers(v) {
			who = append(who, h.source)
		}
	}
	if len(who) > 1 {
		w.fail(ruleOneHolder, "%s is answered by %s", w.vips[v].name, strings.Join(who, " and "))
	}
}

// judgeArrival looks at the instance behind an address that has just come up: at what a client would
// read there, and at whether it has been empty since it last served the VIP, if others have served it after.
func (h *host) judgeArrival(v int) {
	h.judgeAnswers(v)
	in, keys := h.instanceOf[v], h.vips[v].keys
	for k := range keys {
		if x := in.items[v*keysPerVIP+k]; x != nothing && x < keys[k].floor {
			h.fail(ruleStale, "%s came up on %s with version %d of key %d, the newest is %d", h.vips[v].name, h.name, x, k, keys[k].floor)
		}
	}
	if in.dirty[v] {
		h.fail(ruleProof, "%s came up on %s, whose memcached was not empty since it had stored values of it that others had then", h.vips[v].name, h.name)
	}
	for _, o := range h.hosts {
		if o != h && !o.witness && o.instanceOf[v].stored[v] {
			o.instanceOf[v].dirty[v] = true
		}
	}
}

// judgeRead compares what a client read with what it had to know when it asked.
func (c *client) judgeRead(o *op) {
	if !o.hit {
		c.seen.Misses++
		return
	}
	c.seen.Hits++
	v := c.vips[o.vip]
	if v.keys[o.key].late >= o.began {
		return // memcached wrote an older version meanwhile, by no fault of ours
	}
	if must := min(o.floor, v.keys[o.key].floor); o.version < must {
		c.fail(ruleStale, "client %d read version %d of key %d of %s on %s, the newest was %d", c.number, o.version, o.key, v.name, o.conn.host.name, must)
	}
}

// servedBy returns the host that serves a VIP: it answers, clients reach it, and its memcached works.
func (w *World) servedBy(v int) *host {
	for _, h := range w.hosts {
		if h.answers(v) && h.nic {
			if in := h.instanceOf[v]; in.running && !in.hung {
				return h
			}
		}
	}
	return nil
}

// look notes since when VIPs are not served, and for how long they were not. It is asked whenever that
// may have changed.
func (w *World) look() {
	for i, v := range w.vips {
		h := w.servedBy(i)
		switch {
		case h == nil && v.unserved < 0:
			v.unserved = w.now
		case h != nil && v.unserved >= 0:
			v.worst = max(v.worst, w.now-v.unserved)
			v.unserved = -1
		}
		if isHome := h == v.home; isHome != v.atHome {
			v.atHome = isHome
			if !isHome {
				v.lost++
			}
		}
	}
}

// notServed returns the first VIP that nobody serves, or nil.
func (w *World) notServed() *vip {
	for _, v := range w.vips {
		if v.unserved >= 0 {
			return v
		}
	}
	return nil
}

// notHome returns the first VIP that is not at home, or nil.
func (w *World) notHome() *vip {
	for _, v := range w.vips {
		if !v.atHome {
			return v
		}
	}
	return nil
}
