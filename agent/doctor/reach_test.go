package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"memvip/configs"
)

// Each way in which a node is not reached has its own words, and weighs more for a voter.
func TestReach(t *testing.T) {
	config := loaded(t, fmt.Sprintf(sharedText, ""))
	failed := func(errno unix.Errno) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
	}
	for _, c := range []struct {
		name string
		err  error
		want want
	}{
		{"fine", nil, want{CheckReach, OK, "10.0.0.12:7946"}},
		{"refused", failed(unix.ECONNREFUSED), want{CheckReach, Failure, "no agent runs|systemctl status|tcp dport 7946|udp dport 7946"}},
		{"timeout", failed(unix.ETIMEDOUT), want{CheckReach, Failure, "firewall drops|tcp dport 7946|udp dport 7946"}},
		{"deadline", context.DeadlineExceeded, want{CheckReach, Failure, "firewall drops"}},
		{"no route", failed(unix.EHOSTUNREACH), want{CheckReach, Failure, "no route to host|ip route get 10.0.0.12"}},
		{"own firewall", failed(unix.EPERM), want{CheckReach, Failure, "own firewall|output"}},
		{"else", failed(unix.ENOBUFS), want{CheckReach, Failure, "no buffer space"}},
		{"stopped", context.Canceled, want{CheckReach, Unknown, "cache2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantOnly(t, reach(t.Context(), config, "cache1", func(_ context.Context, to netip.AddrPort) error {
				if to.Addr() == netip.MustParseAddr("10.0.0.12") {
					return c.err
				}
				return nil
			}), c.want)
		})
	}
	wantOnly(t, reach(t.Context(), config, "cache1", func(_ context.Context, to netip.AddrPort) error {
		if to.Addr() == netip.MustParseAddr("10.0.0.14") {
			return failed(unix.ECONNREFUSED)
		}
		return nil
	}), want{CheckReach, Warning, "cache4"})
}

// The unit itself keeps the agent from public addresses.
func TestReachOfAPublicAddress(t *testing.T) {
	m := configs.Member{Name: "cache2"}
	for address, words := range map[string]string{"203.0.113.7": "IPAddressAllow=203.0.113.7", "10.0.0.7": "output"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(address), 7946)
		wantOnly(t, []Finding{reached(m, to, os.NewSyscallError("connect", unix.EPERM))}, want{CheckReach, Warning, words})
	}
}

// Over real sockets: a node that listens, and one on whose host nobody does.
func TestReachInNamespace(t *testing.T) {
	loopbackUp(t)
	addCard(t, "eth0", "10.0.0.11/24")
	for _, address := range []string{"10.0.0.12/32", "10.0.0.13/32", "10.0.0.14/32"} {
		addAddress(t, "eth0", address)
	}
	for _, address := range []string{"10.0.0.12:7946", "10.0.0.14:7946"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
	}
	config := loaded(t, fmt.Sprintf(sharedText, ""))
	wantOnly(t, Reach(t.Context(), config, "cache1"), want{CheckReach, Failure, "w1|refuses"})
}
