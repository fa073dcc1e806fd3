package lab

import (
	"errors"
	"fmt"
)

// A fault on the network returns the instant just before it struck.

// Cut takes a host's port out of the switch: no packet passes in either direction, to or from anybody,
// while the host's own link stays up. It is how a dead switch looks, or a dead host to the others.
func (l *Lab) Cut(h *Host) (Instant, error) {
	at := Now()
	return at, l.net.silence(h.Name)
}

// Unplug takes a host's port down: the host loses its carrier and may notice by itself.
func (l *Lab) Unplug(h *Host) (Instant, error) {
	at := Now()
	return at, l.net.unplug(h.Name)
}

// Isolate parts a host from all other hosts, for every kind of packet, ARP included. The client (and the
// watcher) go on as before with all of them.
func (l *Lab) Isolate(h *Host) (Instant, error) {
	var partings []parting
	for _, o := range l.Hosts {
		if o != h {
			partings = append(partings, parting{h.Name, o.Name}, parting{o.Name, h.Name})
		}
	}
	at := Now()
	return at, l.net.part(partings...)
}

// OneWayCut drops what one host sends to the other; the other direction works.
func (l *Lab) OneWayCut(from, to *Host) (Instant, error) {
	at := Now()
	return at, l.net.part(parting{from.Name, to.Name})
}

// CutFromClients parts a host from the client (and the watcher), but not from the other hosts.
func (l *Lab) CutFromClients(h *Host) (Instant, error) {
	at := Now()
	return at, l.net.part(parting{h.Name, clientName}, parting{clientName, h.Name}, parting{h.Name, watchName}, parting{watchName, h.Name})
}

// Heal ends every network fault. Hosts without power stay without.
func (l *Lab) Heal() (Instant, error) {
	at := Now()
	err := l.net.mend("")
	for name := range l.net.ports {
		err = errors.Join(err, l.net.plug(name))
	}
	return at, err
}

// HealHost ends the network faults of one host.
func (l *Lab) HealHost(h *Host) (Instant, error) {
	at := Now()
	return at, errors.Join(l.net.mend(h.Name), l.net.plug(h.Name))
}

// PowerOff is the end of a host: its cable first, so that nobody hears it die, then all its processes and
// its namespace.
func (l *Lab) PowerOff(h *Host) (Instant, error) {
	if _, err := h.powered(); err != nil {
		return Now(), err
	}
	at := Now()
	return at, errors.Join(l.net.unplug(h.Name), h.close())
}

// PowerOn boots a host that was powered off: a new namespace (which is what agents take for a new boot), the same
// addresses, an empty runtime directory, nothing running.
func (l *Lab) PowerOn(h *Host) error {
	if _, err := h.powered(); err == nil {
		return fmt.Errorf("lab: %s: power on: it is on", h.Name)
	}
	if h.agent != nil {
		if err := h.agent.LoseState(); err != nil {
			return err
		}
	}
	return h.boot()
}
