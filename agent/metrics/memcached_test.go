package metrics

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"memvip/flush/fake"
	"memvip/flush/memcached"
)

// server is a pretended memcached that counts how often it is asked for stats.
func server(t *testing.T) (*fake.Server, netip.AddrPort, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	s := fake.New(fake.Options{OnCommand: func(c string) {
		if strings.HasPrefix(c, "stats") {
			asked.Add(1)
		}
	}})
	t.Cleanup(s.Close)
	address, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return s, address, asked
}

// However many ask, memcached is asked once a second, over one connection.
func TestAskedOnceASecond(t *testing.T) {
	_, address, asked := server(t)
	c := &cache{ctx: t.Context(), address: address, dial: memcached.Dial}
	defer c.close()
	for range 3 {
		if told := c.figures(); told["uptime"] == "" {
			t.Fatalf("told %v", told)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
	c.asked = c.asked.Add(-statsEvery)
	conn := c.conn
	if c.figures(); asked.Load() != 2 || c.conn != conn {
		t.Errorf("asked %d times, want 2, over the same connection", asked.Load())
	}
}

// A connection that has ended meanwhile is replaced; only a server that is gone has no figures.
func TestConnectionEnded(t *testing.T) {
	s, address, _ := server(t)
	c := &cache{ctx: t.Context(), address: address, dial: memcached.Dial}
	defer c.close()
	again := func() figures {
		c.asked = time.Time{}
		return c.figures()
	}
	if again() == nil {
		t.Fatal("no figures at first")
	}
	s.Restart()
	if again() == nil {
		t.Error("no figures after a restart")
	}
	s.Close()
	if told := again(); told != nil {
		t.Errorf("told %v by a server that is gone", told)
	}
}

// One that hangs is waited for, but not for long, and is asked anew on a fresh connection.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fake.New(fake.Options{})
		defer s.Close()
		c := &cache{ctx: t.Context(), dial: func(context.Context, netip.AddrPort) (*memcached.Conn, error) {
			return memcached.New(s.Dial(netip.MustParseAddrPort(instance)), instance), nil
		}}
		defer c.close()
		ask := func(answers bool, took time.Duration) {
			t.Helper()
			begun := time.Now()
			if told := c.figures(); (told != nil) != answers || time.Since(begun) != took {
				t.Errorf("told %d figures after %s; want some: %t, after %s", len(told), time.Since(begun), answers, took)
			}
		}
		ask(true, 0)
		s.Hang()
		ask(true, 0) // those of before
		<-time.After(statsEvery)
		ask(false, statsPatience)
		ask(false, 0) // not asked again so soon
		s.Thaw()
		<-time.After(statsEvery)
		ask(true, 0)
	})
}
