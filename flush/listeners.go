package flush

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"memvip/flush/memcached"
)

// queuedFunc tells how many connections (or datagrams) wait in the queues of the given listeners, and fails with
// errUnseen if one of them is not there.
type queuedFunc func(listeners []memcached.Client) (int, error)

var errUnseen = errors.New("listens outside of this network namespace")

// queuedInKernel asks the kernel's socket tables of this thread's network namespace. A connection that was destroyed
// while it waited to be accepted still counts there, and is accepted and served all the same.
func queuedInKernel(listeners []memcached.Client) (int, error) {
	tables := map[string]map[netip.AddrPort]int{}
	total := 0
	for _, listener := range listeners {
		transport := listener.Transport
		if transport == "unix" {
			continue
		}
		if tables[transport] == nil {
			table, err := readSocketTable(transport)
			if err != nil {
				return 0, err
			}
			tables[transport] = table
		}
		queued, ok := tables[transport][listener.Peer]
		if !ok {
			return 0, fmt.Errorf("%s %s: %w", transport, listener.Peer, errUnseen)
		}
		total += queued
	}
	return total, nil
}

func readSocketTable(transport string) (map[netip.AddrPort]int, error) {
	switch transport {
	case "tcp", "tcp6", "udp", "udp6":
	default:
		return nil, fmt.Errorf("listener of unknown kind %q: %w", transport, errUnseen)
	}
	file, err := os.Open("/proc/thread-self/net/" + transport)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parseSocketTable(file, strings.HasPrefix(transport, "tcp"))
}

// parseSocketTable adds up the receive queue by local address; for a TCP listener that is the number of connections
// that wait. The kernel lists TCP listeners before all other TCP sockets, which may be very many.
func parseSocketTable(r io.Reader, tcp bool) (map[netip.AddrPort]int, error) {
	const stateListening = "0A"
	table := map[netip.AddrPort]int{}
	rows := bufio.NewScanner(r)
	rows.Scan() // The heading.
	for rows.Scan() {
		fields := strings.Fields(rows.Text())
		if len(fields) < 5 {
			return nil, fmt.Errorf("socket table: want 5 columns or more, got %q", rows.Text())
		}
		if tcp && fields[3] != stateListening {
			break
		}
		local, err := parseKernelAddr(fields[1])
		if err != nil {
			return nil, err
		}
		_, queue, _ := strings.Cut(fields[4], ":")
		queued, err := strconv.ParseUint(queue, 16, 32)
		if err != nil {
			return nil, fmt.Errorf("socket table: want a queue length, got %q", fields[4])
		}
		table[local] += int(queued)
	}
	return table, rows.Err()
}

// parseKernelAddr reads "0100007F:2BCB": words of 32 bits, each printed as a number of this machine's byte order.
func parseKernelAddr(s string) (netip.AddrPort, error) {
	hostText, portText, _ := strings.Cut(s, ":")
	host, err := hex.DecodeString(hostText)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if err != nil || portErr != nil || len(host)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("socket table: want an address, got %q", s)
	}
	for i := 0; i < len(host); i += 4 {
		binary.NativeEndian.PutUint32(host[i:], binary.BigEndian.Uint32(host[i:]))
	}
	addr, ok := netip.AddrFromSlice(host)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("socket table: want an address, got %q", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}
