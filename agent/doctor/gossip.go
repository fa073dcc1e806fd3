package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// gossip looks whether the node's port is free, where no agent says that it has it.
func (h *host) gossip(ctx context.Context) []Finding {
	if h.Agent != nil {
		return nil
	}
	at := netip.AddrPortFrom(h.self.Addr, uint16(h.config.Cluster.Port))
	err := h.listen(ctx, at)
	switch {
	case err == nil:
		return []Finding{fine(CheckGossipPort, at.String(), "port %d is free", at.Port())}
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil // the node's address is not here, which is a finding of its own
	case errors.Is(err, unix.EADDRINUSE):
		return []Finding{{
			Check: CheckGossipPort, Severity: Warning, Subject: at.String(), What: fmt.Sprintf("a program has %s already", at),
			Why:  "an agent does not start unless that is the agent itself",
			Mend: fmt.Sprintf("ss -tulpn 'sport = :%d'; systemctl status memvip-agent", at.Port()),
		}}
	}
	return []Finding{unseen(CheckGossipPort, at.String(), fmt.Sprintf("port %d", at.Port()), err, asRoot)}
}

// TryListen takes a port, TCP and UDP, for a moment. The error is the operating system's.
func TryListen(ctx context.Context, at netip.AddrPort) error {
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer func() { _ = tcp.Close() }() // Nothing was sent.
	udp, err := config.ListenPacket(ctx, "udp", at.String())
	if err != nil {
		return err
	}
	return udp.Close()
}
