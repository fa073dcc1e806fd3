package size

import (
	"fmt"
	"slices"
	"time"

	"memvip/agent/core"
)

// Outage is what became of one VIP that was up where something happened.
type Outage struct {
	VIP      core.Name
	Lasted   time.Duration // until it was up elsewhere
	From, To string
}

// Strike switches hosts off, by number from 0, and lets time pass until every VIP is up elsewhere.
func (w *World) Strike(hosts []int, limit time.Duration) ([]Outage, error) {
	return w.lose(hosts, limit, func(n *node) { n.die() })
}

// Exit has the memcached of a host exit, and lets time pass until every VIP is up elsewhere.
func (w *World) Exit(host int, limit time.Duration) ([]Outage, error) {
	return w.lose([]int{host}, limit, func(n *node) {
		n.hear(core.InstanceWentDown{Instance: instance, Reason: "exited", Dead: true})
	})
}

func (w *World) lose(hosts []int, limit time.Duration, strike func(*node)) ([]Outage, error) {
	struck := map[*node]bool{}
	for _, i := range hosts {
		struck[w.nodes[i]] = true
	}
	var outages []Outage
	for _, v := range w.vips {
		if at := w.where[v.Name]; struck[at.on] {
			outages = append(outages, Outage{VIP: v.Name, From: at.on.name})
		}
	}
	from := w.now
	for _, i := range hosts {
		strike(w.nodes[i])
	}
	left := slices.Clone(outages)
	moved := func(o Outage) bool {
		at := w.where[o.VIP]
		return at.on != nil && !struck[at.on]
	}
	if !w.until(limit, func() bool { left = slices.DeleteFunc(left, moved); return len(left) == 0 }) {
		return nil, fmt.Errorf("size: %d of %d VIPs still down after %s: %w", len(left), len(outages), limit, ErrNotInTime)
	}
	for i, o := range outages {
		at := w.where[o.VIP]
		outages[i].To, outages[i].Lasted = at.on.name, time.Duration(at.at-from)
	}
	return outages, nil
}

// Mend boots dead hosts and starts dead memcacheds.
func (w *World) Mend(hosts []int) {
	for _, i := range hosts {
		if n := w.nodes[i]; n.machine == nil {
			n.start()
		} else {
			n.serve()
		}
	}
}

// Rack is every tenth host, the first included, and at least one: never a majority of the voters.
func (w *World) Rack() []int {
	var rack []int
	for i := 0; i < max(1, len(w.nodes)/10*10); i += 10 {
		rack = append(rack, i)
	}
	return rack
}

// MostHeld is how many VIPs are up on the host that has most of them.
func (w *World) MostHeld() int {
	held, most := map[*node]int{}, 0
	for _, at := range w.where {
		held[at.on]++
		most = max(most, held[at.on])
	}
	return most
}
