package health

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// blackHole is a listener on loopback whose queue is full: what else asks for a connection is not answered.
type blackHole struct {
	fd      int
	addr    netip.AddrPort
	waiting net.Conn
}

func startBlackHole(t *testing.T) *blackHole {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(t, unix.Listen(fd, 0))
	name, err := unix.Getsockname(fd)
	check(t, err)
	h := &blackHole{fd: fd, addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))}
	t.Cleanup(func() { _ = unix.Close(fd) })
	h.waiting, err = net.Dial("tcp", h.addr.String()) // the one that there is room for
	check(t, err)
	t.Cleanup(func() { _ = h.waiting.Close() })
	return h
}

// end has it take connections again, and answers on the next.
func (h *blackHole) end(t *testing.T) {
	t.Helper()
	for _, reply := range []string{"", "MN\r\n"} {
		fd, _, err := unix.Accept(h.fd)
		check(t, err)
		_, err = unix.Write(fd, []byte(reply))
		check(t, err)
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
}

// attempts are the local ports from which connects to an address are under way.
func attempts(t *testing.T, addr netip.AddrPort) (ports []string) {
	t.Helper()
	file, err := os.Open("/proc/thread-self/net/tcp")
	check(t, err)
	defer file.Close()
	const synSent = "02"
	for rows := bufio.NewScanner(file); rows.Scan(); {
		f := strings.Fields(rows.Text())
		if strings.HasSuffix(f[2], fmt.Sprintf(":%04X", addr.Port())) && f[3] == synSent {
			ports = append(ports, f[1])
		}
	}
	return ports
}

// awaitAttempt waits until nothing but one attempt to connect is under way, not from that port, and returns its own.
func (h *blackHole) awaitAttempt(t *testing.T, not string) string {
	t.Helper()
	look, enough := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for {
		if ports := attempts(t, h.addr); len(ports) == 1 && ports[0] != not {
			return ports[0]
		}
		select {
		case <-look.C:
		case <-enough:
			t.Fatal("no new attempt to connect")
		}
	}
}

// TestConnectIsBegunAnew: the kernel would ask ever less often.
func TestConnectIsBegunAnew(t *testing.T) {
	t.Parallel()
	h := startBlackHole(t)
	asked := make(chan error, 1)
	go func() { asked <- askFresh(t.Context(), h.addr) }()
	h.awaitAttempt(t, h.awaitAttempt(t, ""))
	h.end(t)
	check(t, wait(t, "the answer", asked))
}

// TestConnectBegunAnewCountsOnce: an instance is down by as many deadlines as before, and by nothing else.
func TestConnectBegunAnewCountsOnce(t *testing.T) {
	t.Parallel()
	h := startBlackHole(t)
	const deadline = 900 * time.Millisecond // the first connect ends between the second and the third
	var mu sync.Mutex
	var seen []Observation
	_, reports := probe(t, h.addr, Options{Interval: 20 * time.Millisecond, Deadline: deadline, Observed: func(o Observation) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, o)
	}})
	next(t, reports, false, ReasonTimeout)
	mu.Lock()
	defer mu.Unlock()
	for i, o := range seen {
		if o.Outcome != TimedOut || o.Kind != KeptOpen || o.At.Sub(o.Sent) < time.Duration(i+1)*deadline {
			t.Errorf("%d: %v after %s", i, o, o.At.Sub(o.Sent))
		}
	}
	if len(seen) != usual.Fall {
		t.Errorf("%d observations, want %d", len(seen), usual.Fall)
	}
}
