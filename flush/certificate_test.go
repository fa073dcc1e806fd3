package flush

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/flush/fake"
)

func TestVerify(t *testing.T) {
	for _, test := range []struct {
		name    string
		do      func(*fake.Server)
		want    Reason // when nothing is served
		serving Reason // when another address is served
	}{
		{"nothing happened", func(*fake.Server) {}, 0, 0},
		{"a miss", func(s *fake.Server) { s.Do("get a") }, 0, 0},
		{"a set", func(s *fake.Server) { s.Do("set a 0 0 1\r\nx\r\n") }, ReasonItemsChanged, 0},
		{"a set and its delete", func(s *fake.Server) { s.Do("set a 0 0 1\r\nx\r\n"); s.Do("delete a") }, ReasonItemsChanged, 0},
		{"a set, hidden by stats reset", func(s *fake.Server) {
			s.Do("set a 0 0 1\r\nx\r\n")
			s.Do("stats reset")
			for range 10 {
				s.Do("set a 0 0 1\r\nx\r\n")
			}
		}, ReasonItemsChanged, 0},
		{"a restart", (*fake.Server).Restart, ReasonRestarted, ReasonRestarted},
		{"another flush", func(s *fake.Server) { s.Do("flush_all") }, ReasonFlushedAgain, 0},
		{"a delayed flush", func(s *fake.Server) { s.Do("flush_all 50") }, ReasonDelayedFlush, ReasonDelayedFlush},
		{"a full server", func(s *fake.Server) { s.SetFull(true) }, ReasonFull, ReasonFull},
		{"garbage", func(s *fake.Server) { s.SetReply("STAT pid x\r\nEND\r\n") }, ReasonBadReply, ReasonBadReply},
		{"a hang", (*fake.Server).Hang, ReasonTimeout, ReasonTimeout},
	} {
		for serving, want := range map[bool]Reason{false: test.want, true: test.serving} {
			name := test.name
			if serving {
				name += " while serving"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, c := inMemory(t, fake.Options{})
					fill(server, 10)
					cert, err := c.prove(t.Context(), testVIPs, mustInspect(t, c))
					if err != nil {
						t.Fatal(err)
					}
					<-time.After(5 * time.Second)
					test.do(server)
					err = c.verify(t.Context(), cert, serving)
					if want != 0 {
						wantReason(t, err, want)
					} else if err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// What is kept in a file comes back with a new pid, the same start and the old boundary.
func TestRestartThatKeepsMemoryIsNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{MemoryFile: "/dev/shm/cache"})
		fill(server, 10)
		former := mustInspect(t, c)
		server.Restart()
		first := mustInspect(t, c)
		if first.Start != former.Start || first.PID == former.PID || first.CurrItems != 10 || !first.MemoryFile || first.EmptyAtStart() {
			t.Errorf("got %+v after %+v", first, former)
		}
	})
}

func TestParseFigures(t *testing.T) {
	stats := func() map[string]string {
		return map[string]string{"pid": "7", "uptime": "40", "time": "1000", "curr_items": "1", "total_items": "2",
			"curr_connections": "3", "total_connections": "4", "version": "1.6.18", "cmd_get": "5", "cmd_set": "6",
			"cmd_touch": "7", "get_hits": "8", "get_misses": "9", "incr_hits": "10", "lru_crawler_running": "1"}
	}
	settings := func() map[string]string {
		return map[string]string{"num_threads": "4", "maxconns": "1024", "oldest": "101", "memory_file": "(null)", "flush_enabled": "yes"}
	}
	got, err := parseFigures(stats(), settings())
	if err != nil {
		t.Fatal(err)
	}
	want := Figures{PID: 7, Start: 960, Uptime: 40, Oldest: 101, CurrItems: 1, TotalItems: 2, FlushEnabled: true,
		Version: "1.6.18", Threads: 4, CurrConns: 3, MaxConns: 1024, Crawling: true, TotalConns: 4}
	want.Counters = Counters{CmdGet: 5, CmdSet: 6, CmdTouch: 7, GetHits: 8, GetMisses: 9, IncrHits: 10}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !got.DelayedFlushPending() {
		t.Error("a boundary of 101 at tick 100 is a pending flush")
	}
	for name := range stats() {
		if name == "incr_hits" || name == "lru_crawler_running" {
			continue // Versions differ in these.
		}
		without := stats()
		delete(without, name)
		if _, err := parseFigures(without, settings()); err == nil || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("without %s: got %v", name, err)
		}
		if name == "version" {
			continue
		}
		for _, bad := range []string{"", "-1", "x", "9223372036854775808"} {
			broken := stats()
			broken[name] = bad
			if _, err := parseFigures(broken, settings()); err == nil || !strings.Contains(err.Error(), name+": want a count") {
				t.Errorf("%s=%q: got %v", name, bad, err)
			}
		}
	}
	for name := range settings() {
		without := settings()
		delete(without, name)
		figures, err := parseFigures(stats(), without)
		if name == "memory_file" {
			if err != nil || !figures.MemoryFile {
				t.Errorf("a server that says nothing about a memory file may have one: got %+v, %v", figures, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("without %s: no error", name)
		}
	}
}
