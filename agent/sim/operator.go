package sim

import (
	"slices"
	"time"

	"memvip/agent/core"
)

// configure changes what the configuration files say and restarts the agents one after the other. The
// operator waits until the last such change has come into force.
func (w *World) configure(k Kind, h *host, b int) {
	if w.rolling() || w.mistaken {
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
	case k == ReplaceVoter && slices.ContainsFunc(w.hosts, func(h *host) bool { return !h.hasFile || h.spoilt || h.diskFull }):
		return // a host without state takes its file's voter list for the one in force
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
			at := int64(i) * w.between(100*ms, s)
			w.rolled = max(w.rolled, w.now+at)
			w.after(at, func() { h.reconfigure(voters) })
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
	if w.now <= w.rolled {
		return true
	}
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
