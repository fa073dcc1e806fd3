//go:build integration

package lab

import (
	"testing"
	"time"
)

// A stranger that takes a host's address is heard, is no host, and answers nobody's requests.
func TestStranger(t *testing.T) {
	l := newLab(t, Options{Hosts: 1})
	vip := l.VIPs[0].Addr
	w, err := l.StartWatcher(WatchOptions{})
	must(t, err)
	c := startClient(t, l, ClientOptions{})
	waitWrites(t, c, vip, 10)
	s, err := l.AddStranger(within(t))
	must(t, err)
	at := Now()
	must(t, s.Take(vip))
	must(t, s.Announce(vip))
	heard, err := w.WaitAnnounced(within(t), vip, at, "")
	must(t, err)
	if heard.Host != "" || heard.MAC != s.MAC() {
		t.Errorf("heard %+v, want no host with %s", heard, s.MAC())
	}
	must(t, c.WaitNotServed(within(t), vip, 50*time.Millisecond))
	must(t, s.Drop(vip))
	must(t, l.Hosts[0].AnnounceByHand(vip))
	must(t, c.WaitServed(within(t), vip, l.Hosts[0].Name))
}
