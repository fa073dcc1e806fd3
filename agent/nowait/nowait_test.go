package nowait

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// libraryBoottime is the same clock, read by the library.
func libraryBoottime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func TestBoottime(t *testing.T) {
	before := libraryBoottime(t)
	got := Boottime()
	if after := libraryBoottime(t); got < before || got > after {
		t.Errorf("%s, want between %s and %s", got, before, after)
	}
}

// socket is a UDP socket on loopback.
func socket(t *testing.T, host string) (raw syscall.RawConn, at netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if raw, err = c.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	return raw, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// on runs f with a socket's descriptor.
func on(t *testing.T, raw syscall.RawConn, f func(fd uintptr) error) error {
	t.Helper()
	var err error
	if errControl := raw.Control(func(fd uintptr) { err = f(fd) }); errControl != nil {
		t.Fatal(errControl)
	}
	return err
}

// packet takes one that has been sent; on loopback it is there when Send returns.
func packet(t *testing.T, raw syscall.RawConn, room int) (content []byte, from netip.AddrPort, err error) {
	t.Helper()
	content = make([]byte, room)
	var n int
	err = on(t, raw, func(fd uintptr) (err error) { n, from, err = Receive(fd, content); return err })
	return content[:n], from, err
}

func TestPackets(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			near, nearAt := socket(t, host)
			far, farAt := socket(t, host)
			if _, _, err := packet(t, far, 10); !errors.Is(err, unix.EAGAIN) {
				t.Fatalf("nothing was sent: %v, want EAGAIN", err)
			}
			for _, sent := range []string{"first", "", "third is longer"} {
				if err := on(t, near, func(fd uintptr) error { return Send(fd, []byte(sent), AddressOf(farAt)) }); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []string{"first", "", "third is l"} {
				got, from, err := packet(t, far, 10)
				if err != nil || string(got) != want || from != nearAt {
					t.Errorf("%q from %s, %v, want %q from %s", got, from, err, want, nearAt)
				}
			}
		})
	}
}

// A socket of both families tells of IPv4 senders as such.
func TestMappedSender(t *testing.T) {
	near, nearAt := socket(t, "127.0.0.1")
	far, farAt := socket(t, "::")
	to := netip.AddrPortFrom(nearAt.Addr(), farAt.Port())
	if err := on(t, near, func(fd uintptr) error { return Send(fd, []byte("x"), AddressOf(to)) }); err != nil {
		t.Fatal(err)
	}
	if _, from, err := packet(t, far, 1); err != nil || from != nearAt {
		t.Errorf("from %s, %v, want %s", from, err, nearAt)
	}
}

func TestRefusals(t *testing.T) {
	near, nearAt := socket(t, "127.0.0.1")
	tooLong := bytes.Repeat([]byte("x"), 1<<16)
	if err := on(t, near, func(fd uintptr) error { return Send(fd, tooLong, AddressOf(nearAt)) }); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("a packet longer than there can be: %v, want EMSGSIZE", err)
	}
	if _, _, err := Receive(^uintptr(0), nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("no socket: %v, want EBADF", err)
	}
}

// A question to the kernel is answered when it has been sent.
func TestReceiveNetlink(t *testing.T) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	room := make([]byte, unix.NLMSG_HDRLEN)
	if _, _, err := ReceiveNetlink(fd, room); !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("nothing was asked: %v, want EAGAIN", err)
	}
	ask := make([]byte, unix.NLMSG_HDRLEN) // of no kind; the answer to it has room for a number and the question
	binary.NativeEndian.PutUint32(ask, uint32(len(ask)))
	binary.NativeEndian.PutUint16(ask[4:], unix.NLMSG_NOOP)
	binary.NativeEndian.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	n, port, err := ReceiveNetlink(fd, room)
	if err != nil || port != 0 || n != 2*unix.NLMSG_HDRLEN+4 {
		t.Errorf("%d bytes from port %d, %v, want %d from the kernel", n, port, err, 2*unix.NLMSG_HDRLEN+4)
	}
	if kind := binary.NativeEndian.Uint16(room[4:]); kind != unix.NLMSG_ERROR {
		t.Errorf("answer of kind %d, want an acknowledgement", kind)
	}
}

// A call must cost its caller no memory: the loop makes some hundred a second.
func TestNothingAllocated(t *testing.T) {
	near, nearAt := socket(t, "127.0.0.1")
	room, to := make([]byte, 10), AddressOf(nearAt)
	err := on(t, near, func(fd uintptr) error {
		if n := testing.AllocsPerRun(100, func() {
			Boottime()
			if err := Send(fd, room[:1], to); err != nil {
				t.Error(err)
			}
			if _, _, err := Receive(fd, room); err != nil {
				t.Error(err)
			}
			if _, _, err := Receive(fd, room); err == nil {
				t.Error("two packets were received, one was sent")
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
