//go:build integration

package lab

import (
	"strings"
	"testing"
)

// What a client sends while its host is cut off waits, and is executed when the host is back, long after
// somebody who could reach it has written something newer.
func TestWriteWaitsUnacknowledged(t *testing.T) {
	l := newLab(t, Options{Hosts: 1})
	h, vip := l.Hosts[0], l.VIPs[0].Addr
	late, err := l.OpenVIP(within(t), vip)
	must(t, err)
	defer late.Close()
	must(t, late.Set("key", "old"))
	assertUnacknowledged(t, late, false)

	struck(t)(l.Cut(h))
	must(t, late.Send("set key 0 0 4\r\nlate"))
	assertUnacknowledged(t, late, true)
	neighbour, err := h.OpenVIP(within(t), vip)
	must(t, err)
	defer neighbour.Close()
	must(t, neighbour.Set("key", "new"))
	struck(t)(l.Heal())
	if answer, err := late.Line(); err != nil || answer != "STORED" {
		t.Errorf("late write: %q, %v; want STORED", answer, err)
	}
	assertUnacknowledged(t, late, false)
	if value, _, err := neighbour.Get("key"); err != nil || value != "late" {
		t.Errorf("read %q, %v; want the late value", value, err)
	}
}

func assertUnacknowledged(t *testing.T, s *Session, want bool) {
	t.Helper()
	bytes, err := s.Unacknowledged()
	must(t, err)
	if (bytes > 0) != want {
		t.Errorf("%d bytes are not acknowledged", bytes)
	}
}

// Another program takes memcached's place from the next start on, and is told the same.
func TestProgramInsteadOfMemcached(t *testing.T) {
	l := newLab(t, Options{Hosts: 1})
	m := l.Hosts[0].Memcached()
	struck(t)(m.Kill())
	m.Program = l.Dir() + "/no-such-program"
	if err := m.Start(); err == nil || !strings.Contains(err.Error(), m.Program) {
		t.Errorf("start of a program that is not there: %v", err)
	}
	m.Program = ""
	must(t, m.Start())
}
