package flush

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/flush/fake"
)

var testVIPs = []netip.Addr{netip.MustParseAddr("10.0.0.101")}

func fill(server *fake.Server, items int) {
	for i := range items {
		server.Do(fmt.Sprintf("set key%d 0 0 1\r\nx\r\n", i))
	}
}

// readAll uses every item, so that all are young.
func readAll(server *fake.Server, items int) {
	for i := range items {
		server.Do(fmt.Sprintf("get key%d", i))
	}
}

func TestProveCertifiesWhatItSaw(t *testing.T) {
	for _, generation := range []fake.Generation{fake.Until1624, fake.Since1625} {
		synctest.Test(t, func(t *testing.T) {
			server, c := inMemory(t, fake.Options{Generation: generation, ReclaimAfter: time.Second})
			fill(server, 100)
			readAll(server, 100)
			quiet, err := c.watchQuiet(t.Context(), QuietOptions{})
			if err != nil {
				t.Fatal(err)
			}
			cert, err := c.prove(t.Context(), testVIPs, quiet)
			if err != nil {
				t.Fatal(err)
			}
			after := mustInspect(t, c)
			want := Certificate{PID: quiet.PID, Start: quiet.Start, Oldest: after.Oldest, TotalItems: 100}
			if cert != want {
				t.Errorf("got %+v, want %+v", cert, want)
			}
			if after.CurrItems != 0 || after.Oldest == quiet.Oldest {
				t.Errorf("got %+v after the proof", after)
			}
			if err := c.verify(t.Context(), cert, false); err != nil {
				t.Error(err)
			}
		})
	}
}

// From 1.6.25 on, what was read within the last second survives a flush that was answered OK.
func TestItemsReadJustBeforeTheFlushAreNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{Generation: fake.Since1625})
		fill(server, 100)
		<-time.After(10 * time.Second)
		server.Do("set newest 0 0 1\r\nx\r\n")
		<-time.After(10 * time.Second)
		readAll(server, 90)
		notQuiet := mustInspect(t, c) // A caller that did not wait.
		start := time.Now()
		_, err := c.prove(t.Context(), testVIPs, notQuiet)
		wantReason(t, err, ReasonNotEmpty)
		if got, want := err.Error(), "flush: 127.0.0.1:11211: curr_items is still 90"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if took := time.Since(start); took > defaultLimits.emptying+provePerMillion+provePoll {
			t.Errorf("took %v", took)
		}
	})
}

// Readers that keep items young all through the flush must never end in a certificate (staleness case g).
func TestReadersDuringTheFlushAreNoProof(t *testing.T) {
	for _, when := range []string{"stats", "flush_all"} {
		synctest.Test(t, func(t *testing.T) {
			var server *fake.Server
			reading := false
			server, c := inMemory(t, fake.Options{
				Generation: fake.Since1625,
				OnCommand: func(command string) {
					if reading && strings.HasPrefix(command, when) {
						readAll(server, 50)
					}
				},
			})
			fill(server, 100)
			quiet, err := c.watchQuiet(t.Context(), QuietOptions{})
			if err != nil {
				t.Fatal(err)
			}
			reading = true
			_, err = c.prove(t.Context(), testVIPs, quiet)
			wantReason(t, err, ReasonUnquiet)
		})
	}
}

func TestProveAsksTheCrawlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{NoMaintainer: true})
		fill(server, 100)
		if _, err := c.prove(t.Context(), testVIPs, mustInspect(t, c)); err != nil {
			t.Fatal(err)
		}
		if n := server.Count("lru_crawler"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestProveRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		opts  fake.Options
		at    string // the command at which do happens
		do    func(*fake.Server)
		want  Reason
		words string
	}{
		{"flush switched off", fake.Options{NoFlush: true}, "", nil, ReasonFlushRefused, "-F"},
		{"flush switched off unsaid", fake.Options{}, "flush_all",
			func(s *fake.Server) { s.SetReply("CLIENT_ERROR flush_all not allowed\r\n") }, ReasonFlushRefused, "not allowed"},
		{"another answer than OK", fake.Options{}, "flush_all",
			func(s *fake.Server) { s.SetReply("OK then\r\n") }, ReasonBadReply, `want "OK", got "OK then"`},
		{"nothing helps", fake.Options{NoMaintainer: true, NoCrawler: true}, "", nil, ReasonNotEmpty, "curr_items is still 10"},
		{"garbage instead of figures", fake.Options{}, "flush_all",
			func(s *fake.Server) { s.Do("flush_all"); s.SetReply("OK\r\n") }, ReasonBadReply, "STAT"},
		{"set during the flush", fake.Options{ReclaimAfter: time.Second}, "flush_all",
			func(s *fake.Server) { s.Do("set late 0 0 1\r\nx\r\n") }, ReasonUnquiet, "cmd_set went from 10 to 11"},
		{"stats reset during the flush", fake.Options{}, "flush_all",
			func(s *fake.Server) { s.Do("stats reset") }, ReasonUnquiet, "cmd_set went from 10 to 0"},
		{"restart during the flush", fake.Options{}, "flush_all", (*fake.Server).Restart, ReasonUnreachable, ""},
		{"hang during the flush", fake.Options{}, "flush_all", (*fake.Server).Hang, ReasonTimeout, "deadline"},
		{"delayed flush behind it", fake.Options{ReclaimAfter: time.Second}, "lru_crawler",
			func(s *fake.Server) {
				s.Do("lru_crawler crawl all")
				s.Do("flush_all 1000")
			}, ReasonDelayedFlush, "due in 99"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var server *fake.Server
				happened := true // Not before the proof.
				test.opts.OnCommand = func(command string) {
					if !happened && strings.HasPrefix(command, test.at) {
						happened = true
						test.do(server)
					}
				}
				server, c := inMemory(t, test.opts)
				fill(server, 10)
				quiet := mustInspect(t, c)
				happened = test.at == ""
				_, err := c.prove(t.Context(), testVIPs, quiet)
				wantReason(t, err, test.want)
				if !strings.Contains(err.Error(), test.words) {
					t.Errorf("got %v, want it to say %q", err, test.words)
				}
			})
		})
	}
}

func TestProveRefusesFiguresOfEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		quiet := mustInspect(t, c)

		other := quiet
		other.TotalItems = 7
		_, err := c.prove(t.Context(), testVIPs, other)
		wantReason(t, err, ReasonItemsChanged)

		server.Do("get a")
		_, err = c.prove(t.Context(), testVIPs, quiet)
		wantReason(t, err, ReasonUnquiet)

		server.Restart()
		_, err = c.prove(t.Context(), testVIPs, quiet)
		wantReason(t, err, ReasonRestarted)

		if n := server.Count("flush_all"); n != 0 {
			t.Errorf("flushed %d times although nothing could be proved", n)
		}
	})
}

func TestProveRefusesWhileConnectionsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		closeIt := server.AddDestroyed(netip.AddrPortFrom(testVIPs[0], 11211))
		_, err := c.prove(t.Context(), testVIPs, mustInspect(t, c))
		wantReason(t, err, ReasonConnectionsLeft)
		if n := server.Count("flush_all"); n != 0 {
			t.Errorf("flushed %d times although nothing could be proved", n)
		}
		closeIt()
		if _, err := c.prove(t.Context(), testVIPs, mustInspect(t, c)); err != nil {
			t.Error(err)
		}
	})
}

func TestProveEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{NoMaintainer: true, NoCrawler: true})
		fill(server, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.prove(ctx, testVIPs, mustInspect(t, c))
		wantReason(t, err, ReasonTimeout)
	})
}

func TestBoundaryMoved(t *testing.T) {
	c := client{addr: testAddr}
	before := Figures{Uptime: 100} // So now is 160.
	for _, test := range []struct {
		oldest, uptime int64
		want           Reason
	}{
		{159, 100, 0},
		{160, 100, 0}, // Without CAS.
		{162, 103, 0},
		{158, 103, ReasonBadReply},
		{0, 103, ReasonBadReply},
		{164, 103, ReasonDelayedFlush},
	} {
		err := c.boundaryMoved(before, Figures{Uptime: test.uptime, Oldest: test.oldest})
		if test.want == 0 {
			if err != nil {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		wantReason(t, err, test.want)
	}
}
