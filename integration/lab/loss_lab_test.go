//go:build integration

package lab

import (
	"net"
	"net/netip"
	"testing"
)

// The switch loses the share of UDP packets that it was told to, and nothing of TCP.
func TestLose(t *testing.T) {
	l := newLab(t, Options{Hosts: 2})
	for _, tt := range []struct{ perMille, least, most int }{
		{0, datagrams, datagrams}, {500, datagrams / 4, datagrams * 3 / 4}, {1000, 0, 0},
	} {
		must(t, l.Lose(tt.perMille))
		if tt.perMille > 0 {
			c := startClient(t, l, ClientOptions{})
			must(t, c.Close())
		}
		if got := arriving(t, l, l.Hosts[0], l.Hosts[1]); got < tt.least || got > tt.most {
			t.Errorf("with %d of 1000 lost %d of %d datagrams arrive, want %d to %d", tt.perMille, got, datagrams, tt.least, tt.most)
		}
	}
	for _, wrong := range []int{-1, 1001} {
		if err := l.Lose(wrong); err == nil {
			t.Errorf("%d of 1000 packets can be lost", wrong)
		}
	}
}

// datagrams is how many arriving sends: fewer than a socket keeps.
const datagrams = 200

// arriving counts how many of them arrive. The last one is sent when nothing is lost any more, and overtakes none.
func arriving(t *testing.T, l *Lab, from, to *Host) int {
	t.Helper()
	var in, out net.Conn
	const port, last = 7000, "last"
	must(t, to.Inside(func() error {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, port)))
		in = c
		return err
	}))
	defer in.Close()
	must(t, from.Inside(func() (err error) {
		out, err = net.Dial("udp4", netip.AddrPortFrom(to.Addr, port).String())
		return err
	}))
	defer out.Close()
	write := func(s string) {
		_, err := out.Write([]byte(s))
		must(t, err)
	}
	for range datagrams {
		write("one")
	}
	must(t, l.Lose(0))
	write(last)
	deadline, _ := within(t).Deadline()
	must(t, in.SetReadDeadline(deadline))
	buf := make([]byte, 16)
	for n := 0; ; n++ {
		got, err := in.Read(buf)
		must(t, err)
		if string(buf[:got]) == last {
			return n
		}
	}
}
