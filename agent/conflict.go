package agent

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/vip"
)

// What others on the links say of our addresses goes to the machine, and its answer to the kernel.

// watchClaims tells the machine of every claim that somebody else makes of a VIP that this node may hold.
func (a *agent) watchClaims() {
	names := map[vip.Address]core.Name{}
	var addresses []vip.Address
	for name, address := range a.places {
		names[address] = name
		addresses = append(addresses, address)
	}
	a.keepWatching("claims of others not watched", func() error {
		return a.manager.WatchClaims(a.ctx, addresses, func(s vip.Sighting) {
			// Whoever floods the link must not take the place of what happened on this host.
			a.loop.queue.offer(core.AddressSeen{Name: names[s.Address], MAC: s.MAC.String(), Times: s.Times})
		})
	})
}

// ownMACs follows the hardware addresses of this host's links.
type ownMACs struct {
	places map[core.Name]vip.Address
	links  []vip.Link // by index
	told   []string
}

func newOwnMACs(links []vip.Link, places map[core.Name]vip.Address) *ownMACs {
	o := &ownMACs{places: places, links: slices.Clone(links)}
	o.told = o.macs()
	return o
}

// changed takes a link's news in, and reports whether told is another now.
func (o *ownMACs) changed(l vip.Link) bool {
	o.links = slices.DeleteFunc(o.links, func(x vip.Link) bool { return x.Index == l.Index || x.Name == l.Name })
	o.links = append(o.links, l)
	slices.SortFunc(o.links, func(a, b vip.Link) int { return cmp.Compare(a.Index, b.Index) })
	before := o.told
	o.told = o.macs()
	return !slices.Equal(o.told, before)
}

// macs returns the addresses that neighbours may see this host speak from: those of the VIPs' links, and then of
// other links with addresses of their own, since the kernel answers on each link for all of them.
func (o *ownMACs) macs() []string {
	var vips, others []string
	for _, l := range o.links {
		switch mac := l.MAC.String(); {
		case len(l.MAC) != 6 || l.MAC.String() == "00:00:00:00:00:00": // no Ethernet
		case o.carriesVIP(l.Name):
			vips = append(vips, mac)
		case hasOwnAddress(l):
			others = append(others, mac)
		}
	}
	return slices.Concat(vips, others)
}

func (o *ownMACs) carriesVIP(link string) bool {
	for _, place := range o.places {
		if place.Link == link {
			return true
		}
	}
	return false
}

func hasOwnAddress(l vip.Link) bool {
	return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool {
		return !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast()
	})
}

// announce orders an address that is up to be announced again.
func (a *addresses) announce(e core.AnnounceAddress) {
	w := a.workers[e.Name]
	if w == nil || w.lease == nil {
		return
	}
	w.order(&addressOrder{kind: orderAnnounce, once: e.Once})
}

// announce reports to people, but for an address that is not there any more.
func (w *addressWorker) announce(o *addressOrder) {
	say := w.port.Announce
	if o.once {
		say = w.port.AnnounceOnce
	}
	switch err := say(w.address); {
	case errors.Is(err, vip.ErrTooLate), errors.Is(err, vip.ErrNotHeld):
		w.gone(o, err)
	case err != nil:
		w.diary.trouble(logrus.Fields{fieldVIP: w.name}, "address not announced", err)
	}
}
