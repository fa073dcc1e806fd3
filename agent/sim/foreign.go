package sim

import (
	"fmt"
	"strings"

	"memvip/agent/core"
)

// A foreign host is no member. For a while it claims a VIP's address: agents see it, and clients believe it as
// they believe anybody. It answers nothing.

// foreignMACs begin the hardware addresses of hosts that are no members.
const foreignMACs = "02:ff:"

// mac is the host's hardware address.
func (h *host) mac() string { return fmt.Sprintf("02:00:00:00:00:%02x", h.id) }

// bar is what a host has seen of foreign hosts on one VIP.
type bar struct {
	life        uint64 // of the agent that saw it
	seen, until int64  // the agent must not try to take the VIP; zero: it may
}

const (
	// barredFor is what an agent keeps from trying to take a VIP, by a clock that may be fast.
	barredFor = 4900 * ms
	// introduced is how long after its start an agent may take a MAC that it does not know for a member's.
	introduced = 6 * s
	// rearmed is how long after its start a voter may speak for the grants of its earlier life.
	rearmed = 5100 * ms
)

// occupy has a foreign host claim a VIP's address until a time is over or everything is mended.
func (w *World) occupy(v int, end int64) {
	if w.mended || w.now >= end {
		return
	}
	mac := foreignMACs + fmt.Sprintf("00:00:00:%02x", v)
	w.note("a foreign host claims %s", w.vips[v].name)
	for _, h := range w.hosts {
		if w.random.IntN(10) > 0 {
			h.hearClaim(v, mac)
		}
	}
	for _, c := range w.clients {
		if w.random.IntN(2) == 0 {
			c.arp[v] = w.stranger
		}
	}
	w.after(w.between(100*ms, 1500*ms), func() { w.occupy(v, end) })
}

// forgetStrangers is what clients do when there are none any more.
func (w *World) forgetStrangers() {
	for _, c := range w.clients {
		for v := range c.arp {
			if c.arp[v] == w.stranger {
				c.arp[v] = nil
			}
		}
	}
}

// hearClaim tells a host's agent that somebody claims a VIP. A witness watches nothing.
func (h *host) hearClaim(v int, mac string) {
	if h.on && h.nic && !h.witness {
		h.later(h.between(20*us, 300*us), func() { h.seeClaim(v, mac) })
	}
}

func (h *host) seeClaim(v int, mac string) {
	h.feed(core.AddressSeen{Name: h.vips[v].name, MAC: mac, Times: 1})
	if strings.HasPrefix(mac, foreignMACs) && h.machine != nil && h.now-h.began >= introduced && h.surelyFree(v) {
		h.bars[v] = bar{h.life, h.now, h.now + barredFor}
	}
}

// surelyFree reports whether no agent can take a VIP for one that a member holds: nobody answers, no renewal has
// reached a voter for so long that no grant, and nothing that was said of one, is still in force, and no voter has
// armed the grants of an earlier life anew.
func (w *World) surelyFree(v int) bool {
	for _, h := range w.hosts {
		if h.answers(v) || w.now-h.began < rearmed {
			return false
		}
	}
	longest := int64(w.lease)
	for _, h := range w.hosts {
		longest = max(longest, int64(h.ranWith.Lease))
	}
	return w.now-w.vips[v].renewed > 2*longest+longest/10
}

// judgeClaims looks at what an agent sends after it has seen a foreign host on a VIP that was surely free.
func (h *host) judgeClaims(effects []core.Effect) {
	for _, e := range effects {
		send, ok := e.(core.Send)
		if !ok {
			continue
		}
		claim, ok := send.Msg.(core.Claim)
		if !ok {
			continue
		}
		h.noteRenewals(claim)
		for _, c := range claim.Entries {
			v, isVIP := h.names[c.Name]
			if !isVIP || c.Kind == core.Renewal {
				continue
			}
			if b := h.bars[v]; b.life == h.life && h.now < b.until && h.vips[v].renewed < b.seen {
				h.fail(ruleForeign, "%s claims %s, which was free when it saw a foreign host there", h.name, c.Name)
			}
		}
	}
}

// noteRenewals notes when somebody's lease of a VIP may last longer by what is sent or arrives now.
func (w *World) noteRenewals(msg core.Message) {
	claim, ok := msg.(core.Claim)
	if !ok {
		return
	}
	for _, c := range claim.Entries {
		if v, isVIP := w.names[c.Name]; isVIP && c.Kind == core.Renewal {
			w.vips[v].renewed = w.now
		}
	}
}

// meet notes which MACs an agent is told by others as their own.
func (h *host) meet(ev core.Event) {
	var macs []string
	switch e := ev.(type) {
	case core.StateHeard:
		macs = e.State.MACs
	case core.Received:
		if claim, ok := e.Msg.(core.Claim); ok {
			macs = claim.State.MACs
		}
	default:
	}
	for _, mac := range macs {
		h.met[mac] = h.life
	}
}

// judgeConflict demands that no member is taken for a stranger that the agent has met. A host with its own name
// it does not listen to.
func (h *host) judgeConflict(t core.Transition) {
	if t.Cause != core.CauseForeignHost {
		return
	}
	for _, o := range h.hosts {
		if o.mac() == t.Detail && h.met[o.mac()] == h.life && o.name != h.name {
			h.fail(ruleForeign, "%s takes %s for a stranger on %s", h.name, o.name, t.Name)
		}
	}
}

// orderAnnounce has the VIP's worker announce it again.
func (h *host) orderAnnounce(v int, e core.AnnounceAddress) {
	lease := h.addresses[v].lease
	if lease == nil {
		return
	}
	h.order(v, h.between(20*us, 200*us), func() {
		switch {
		case h.reads() >= lease.until || !h.addresses[v].up:
		case e.Once:
			h.speak(v)
		default:
			h.announce(v, lease)
		}
	})
}
