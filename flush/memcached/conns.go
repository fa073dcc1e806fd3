package memcached

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bounds of a connection list: a line is about 45 bytes and a connection has four.
const (
	connsBytesMax = 64 << 20
	connsMax      = 256 << 10
)

// Client is one entry of stats conns: a listener or an accepted connection.
//
// The server keeps an entry from the moment a worker thread took the connection up until that thread has closed it, so
// one whose socket the kernel destroyed under a hung server is still listed, with its local address, for as long as
// the server may yet execute what it had received. Not listed yet are connections that wait in the listener's queue or
// in the queue of a worker that does not come round. The list is made without locks: for an instant a new connection
// shows as a listener on its own local address (seen on 1.6.18).
type Client struct {
	FD        int
	Transport string         // "tcp", "tcp6", "udp", "udp6", "unix", or "" if the server could not tell
	Peer      netip.AddrPort // whom it talks to; for a listener, the address listened on; zero if none or unreadable
	Local     netip.AddrPort // the local address it was accepted on; zero for a listener or if the server could not tell
	State     string         // the server's own word, such as conn_read
	Idle      time.Duration  // since its last command, in whole seconds
}

// Listening tells a listener, or a UDP socket that waits, from an accepted connection.
func (c Client) Listening() bool {
	return c.State == "conn_listening" || strings.HasPrefix(c.Transport, "udp")
}

// readConns takes "STAT fd:field value" lines up to END. The lines of one connection follow each other.
func readConns(l *lines) ([]Client, error) {
	var clients []Client
	for {
		name, value, end, err := readStat(l, connsBytesMax)
		if err != nil {
			return nil, err
		}
		if end {
			return clients, nil
		}
		fdText, field, ok := strings.Cut(name, ":")
		fd, err := strconv.ParseUint(fdText, 10, 31)
		if !ok || err != nil {
			return nil, formatError("want a connection's number and a field, got %q", clip([]byte(name)))
		}
		if n := len(clients); n == 0 || clients[n-1].FD != int(fd) {
			clients = append(clients, Client{FD: int(fd)})
		}
		if len(clients) > connsMax {
			return nil, formatError("more than %d connections", connsMax)
		}
		if err := clients[len(clients)-1].set(field, value); err != nil {
			return nil, err
		}
	}
}

// set ignores fields it does not know: later versions may have more.
func (c *Client) set(field, value string) error {
	switch field {
	case "addr":
		c.Transport, c.Peer = parseAddr(value)
	case "listen_addr":
		_, c.Local = parseAddr(value)
	case "state":
		c.State = stateWord(value)
	case "secs_since_last_cmd":
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return formatError("connection %d: want seconds, got %q", c.FD, clip([]byte(value)))
		}
		c.Idle = time.Duration(seconds) * time.Second
	}
	return nil
}

// stateWord keeps the server's word, within bounds: a list of many connections must stay small.
func stateWord(s string) string {
	const stateBytesMax = 32
	return strings.Clone(s[:min(len(s), stateBytesMax)])
}

// parseAddr reads "tcp:10.0.0.1:11211", "tcp6:[::1]:11211", "unix:/path" and "?:<AF 0>". The server leaves a port of
// zero out. An unreadable address is the zero one: the caller has to take it for unknown, not for none of its own.
func parseAddr(s string) (transport string, addr netip.AddrPort) {
	transport, rest, _ := strings.Cut(s, ":")
	switch transport {
	case "unix":
		return "unix", netip.AddrPort{}
	case "tcp", "tcp6", "udp", "udp6":
		return knownTransport(transport), parseHostPort(rest)
	}
	return "", netip.AddrPort{}
}

func parseHostPort(s string) netip.AddrPort {
	if full, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(full.Addr().Unmap(), full.Port())
	}
	host := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if alone, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(alone.Unmap(), 0)
	}
	return netip.AddrPort{}
}

// knownTransport returns the constant, so that a list does not keep pieces of the reply alive.
func knownTransport(s string) string {
	for _, known := range [...]string{"tcp", "tcp6", "udp", "udp6"} {
		if s == known {
			return known
		}
	}
	return ""
}
