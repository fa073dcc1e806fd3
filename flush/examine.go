package flush

import (
	"context"
	"errors"
	"net/netip"
	"strings"
)

// Account is all that an instance says of itself: for a look at how it is set up, which nothing else rests on.
type Account struct {
	Figures
	Stats    map[string]string // of stats, by name
	Settings map[string]string // of stats settings, by name

	Listeners []netip.AddrPort // that it takes TCP connections on; an unspecified address is all of that family
	// Elsewhere means that a listener is in another network namespace than this thread, where Drained and Prove would
	// refuse it with ReasonUnseen.
	Elsewhere bool
}

// Examine asks an instance for its account over one fresh connection, in three round trips. It changes nothing there.
// The error is a *Refusal.
func Examine(ctx context.Context, addr netip.AddrPort) (Account, error) {
	return clientOf(addr).examine(ctx)
}

func (c client) examine(ctx context.Context) (Account, error) {
	s, err := c.open(ctx)
	if err != nil {
		return Account{}, err
	}
	defer s.close()
	a, err := s.account(ctx)
	if err != nil {
		return Account{}, err
	}
	clients, err := s.conns(ctx)
	if err != nil {
		return Account{}, err
	}
	listeners := listenersOf(clients)
	for _, l := range listeners {
		if strings.HasPrefix(l.Transport, "tcp") {
			a.Listeners = append(a.Listeners, l.Peer)
		}
	}
	_, err = c.queued(listeners)
	a.Elsewhere = errors.Is(err, errUnseen)
	if err != nil && !a.Elsewhere {
		return Account{}, failed(c.addr, err)
	}
	return a, nil
}
