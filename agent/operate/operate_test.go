package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/control"
)

const v1 = "10.0.0.101"

// fakeCluster is three nodes and one VIP, whose home is h1. What is asked for happens when then is called.
type fakeCluster struct {
	report control.Report
	asked  []string
	then   func(c *fakeCluster, r control.Request) error // what comes of a request; nil: nothing
	later  []func(*fakeCluster)                          // what happens between one look and the next, in order

	flushed control.Flushed // what becomes of a flush
}

func newCluster() *fakeCluster {
	c := &fakeCluster{flushed: control.Flushed{Proving: []string{"127.0.0.1:11211"}}, report: control.Report{
		Node: "h3",
		VIPs: []control.VIP{{
			Address: v1, Instance: "127.0.0.1:11211", Home: "h1", Holder: "h1", Served: true, AtHome: true, Failback: "auto",
			Candidates: []control.Candidate{{Node: "h1", Home: true}, {Node: "h2", Clean: true}, {Node: "h3", Clean: true}},
		}},
	}}
	for _, n := range []string{"h1", "h2", "h3"} {
		c.report.Nodes = append(c.report.Nodes, control.Node{
			Name: n, Quorate: true, Instances: []control.Instance{{Address: "127.0.0.1:11211", Up: true}},
			VIPs: []control.NodeVIP{{Address: v1, Cache: control.CacheClean}},
		})
	}
	return c
}

func (c *fakeCluster) Status(context.Context, string) (control.Report, error) {
	if len(c.later) > 0 {
		c.later[0](c)
		c.later = c.later[1:]
	}
	r := c.report
	r.VIPs, r.Nodes = slices.Clone(r.VIPs), slices.Clone(r.Nodes)
	return r, nil
}

func (c *fakeCluster) Ask(_ context.Context, r control.Request, body any) error {
	c.asked = append(c.asked, strings.TrimSpace(fmt.Sprintf("%s %s%s %s on=%t", r.Node, r.Command, r.To, r.VIP, r.On)))
	if f, ok := body.(*control.Flushed); ok {
		*f = c.flushed
	}
	if c.then == nil {
		return nil
	}
	return c.then(c, r)
}

// hold has a node serve the VIP.
func (c *fakeCluster) hold(node string) {
	v := &c.report.VIPs[0]
	v.Holder, v.Served, v.AtHome = node, node != "", node == v.Home
}

// after is what happens some looks after something was asked for.
func after(what func(*fakeCluster)) func(*fakeCluster, control.Request) error {
	return func(c *fakeCluster, _ control.Request) error {
		c.later = []func(*fakeCluster){func(*fakeCluster) {}, func(*fakeCluster) {}, what}
		return nil
	}
}

func TestCommands(t *testing.T) {
	moved := after(func(c *fakeCluster) { c.hold("h2") })
	home := after(func(c *fakeCluster) { c.hold("h1") })
	cases := []struct {
		name    string
		prepare func(c *fakeCluster)
		do      func(s *Session, ctx context.Context) error
		asked   string
		says    string // in the last line
		refused string
	}{
		{"drain", func(c *fakeCluster) {
			c.then = after(func(c *fakeCluster) { c.report.Nodes[0].Draining = true; c.hold("h2") })
		}, drain("h1", false), "h1 drain  on=true", "h1 is drained", ""},
		{"drain again", func(c *fakeCluster) { c.report.Nodes[0].Draining = true; c.hold("h2") }, drain("h1", false), "", "already", ""},
		{"drain a stranger", nil, drain("h9", false), "", "", "no node h9 is configured; there are h1, h2, h3"},
		{"drain the last", func(c *fakeCluster) {
			c.report.VIPs[0].Candidates = nil
			c.report.Nodes[1].VIPs[0].StandingText = "memcached on h2 is down"
			c.report.Nodes[2].Silent = true
		}, drain("h1", false), "", "", "to drain h1 would leave 10.0.0.101 unserved: memcached on h2 is down; h3 is not heard"},
		{"drain the last all the same", func(c *fakeCluster) {
			c.report.VIPs[0].Candidates = nil
			c.then = after(func(c *fakeCluster) { c.report.Nodes[0].Draining = true; c.hold("") })
		}, drain("h1", true), "h1 drain  on=true", "h1 is drained", ""},
		{"undrain", func(c *fakeCluster) {
			c.report.Nodes[1].Draining = true
			c.then = after(func(c *fakeCluster) { c.report.Nodes[1].Draining = false })
		}, undrain("h2"), "h2 drain  on=false", "h2 may take VIPs again", ""},
		{"undrain for nothing", nil, undrain("h2"), "", "is not being drained", ""},
		{"move", func(c *fakeCluster) { c.report.Pause.On, c.then = true, moved }, move("h2"), "h1 moveh2 10.0.0.101 on=false", "is at h2", ""},
		{"move to where it is", nil, move("h1"), "", "already", ""},
		{"move what comes back", nil, move("h2"), "", "", "would go home to h1 again by itself"},
		{"move what does not come back", func(c *fakeCluster) { c.report.VIPs[0].Failback, c.then = "manual", moved }, move("h2"),
			"h1 moveh2 10.0.0.101 on=false", "is at h2", ""},
		{"move to the tainted", func(c *fakeCluster) {
			c.report.Pause.On = true
			c.report.VIPs[0].Candidates[1].Clean = false
			c.report.Nodes[1].VIPs[0].Cache = control.CacheTainted
		}, move("h2"), "", "", "h2 cannot serve 10.0.0.101 now: memcached on h2 is not proved"},
		{"move what nobody has", func(c *fakeCluster) { c.report.Pause.On = true; c.hold("") }, move("h2"), "", "", "not served by any node"},
		{"hand back", func(c *fakeCluster) { c.hold("h2"); c.then = home }, handback, "h1 handback 10.0.0.101 on=false", "is at its home h1", ""},
		{"hand back what is home", nil, handback, "", "already", ""},
		{"pause", func(c *fakeCluster) {
			c.then = after(func(c *fakeCluster) {
				c.report.Pause.On = true
				for i := range c.report.Nodes {
					c.report.Nodes[i].Paused = true
				}
			})
		}, pause(true), "pause  on=true", "hand-backs are paused", ""},
		{"resume", func(c *fakeCluster) { c.report.Nodes[1].Silent, c.report.Nodes[1].Paused = true, true }, pause(false), "pause  on=false", "go on by themselves", ""},
		{"flush", func(c *fakeCluster) {
			c.then = func(c *fakeCluster, r control.Request) error {
				c.report.Nodes[1].VIPs[0].Cache = control.CacheTainted
				return after(func(c *fakeCluster) { c.report.Nodes[1].VIPs[0].Cache = control.CacheClean })(c, r)
			}
		}, func(s *Session, ctx context.Context) error { return s.Flush(ctx, "h2") }, "h2 flush  on=false", "is flushed, and proved clean", ""},
		{"reload", func(c *fakeCluster) {
			c.then = after(func(c *fakeCluster) { c.report.Started = time.Now(); c.report.Config.Digest = "other" })
		}, func(s *Session, ctx context.Context) error { return s.Reload(ctx, "h3") }, "h3 reload  on=false", "as it is now", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newCluster()
				if c.prepare != nil {
					c.prepare(cluster)
				}
				var said []string
				s := &Session{Agent: cluster, Say: func(line string) { said = append(said, line) }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := c.do(s, ctx)
				if got := strings.Join(cluster.asked, "; "); got != c.asked {
					t.Errorf("asked %q, want %q", got, c.asked)
				}
				refused, ok := errors.AsType[*RefusedError](err)
				switch {
				case c.refused != "" && (!ok || !strings.Contains(refused.Text, c.refused)):
					t.Errorf("error %v, want refused: %s", err, c.refused)
				case c.refused == "" && (err != nil || len(said) == 0 || !strings.Contains(said[len(said)-1], c.says)):
					t.Errorf("error %v, said %q, want %q at the end", err, said, c.says)
				}
			})
		})
	}
}

// TestFlushInPart: an instance that refuses keeps no other from being emptied, and is named at the end.
func TestFlushInPart(t *testing.T) {
	const serving, proving, refusing = "127.0.0.1:11212", "127.0.0.1:11211", "127.0.0.1:11213"
	emptied := "memcached " + serving + " on h2 was sent flush_all: "
	refused := "memcached " + refusing + " on h2 did not take flush_all: timeout: no answer"
	proved := "memcached " + proving + " on h2 is flushed, and proved clean"
	for _, c := range []struct {
		name    string
		proving []string
		down    bool
		says    []string // lines begin so
	}{
		{"none to be proved", nil, false, []string{emptied, refused}},
		{"one is proved", []string{proving}, false, []string{emptied, refused, proved}},
		{"one is down", []string{proving}, true, []string{emptied, refused, "waiting: memcached " + proving + " on h2 is down"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newCluster()
				cluster.flushed = control.Flushed{
					Serving: []string{serving}, Proving: c.proving, Failed: []control.FlushFailure{{Address: refusing, Error: "timeout: no answer"}},
				}
				cluster.report.Nodes[1].Instances[0].Up = !c.down
				var said []string
				s := &Session{Agent: cluster, Say: func(line string) { said = append(said, line) }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := s.Flush(ctx, "h2")
				if partial, ok := errors.AsType[*PartialError](err); !c.down && (!ok || partial.Text != "memcached "+refusing+" on h2 is not emptied") {
					t.Errorf("error %v, want a partial one that names %s", err, refusing)
				}
				if _, ok := errors.AsType[*UnfinishedError](err); ok != c.down {
					t.Errorf("error %v; unfinished: want %t", err, c.down)
				}
				if !slices.EqualFunc(said, c.says, strings.HasPrefix) {
					t.Errorf("said %q, want %q", said, c.says)
				}
			})
		})
	}
}

func drain(node string, force bool) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error { return s.Drain(ctx, node, force) }
}

func undrain(node string) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error { return s.Undrain(ctx, node) }
}

func move(to string) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error { return s.Move(ctx, v1, to) }
}

func handback(s *Session, ctx context.Context) error { return s.Handback(ctx, v1) }

func pause(on bool) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error { return s.Pause(ctx, on) }
}

// TestUnfinished: what does not come about in time is said with what it waits for, once each.
func TestUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.hold("h2")
		c.report.VIPs[0].Why = "h1 is up, but its memcached is not proved clean yet"
		var said []string
		s := &Session{Agent: c, Say: func(line string) { said = append(said, line) }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := s.Handback(ctx, v1)
		if late, ok := errors.AsType[*UnfinishedError](err); !ok || late.Waits != c.report.VIPs[0].Why {
			t.Errorf("error %v, want unfinished with the reason", err)
		}
		if want := []string{"waiting: " + c.report.VIPs[0].Why}; !slices.Equal(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}

// TestInterrupted: whoever stops waiting is not told that nothing was changed, and after a drill how to end it.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := &Session{Agent: c, Say: func(string) {}}
		err := s.Drill(ctx, v1, &fakeKnock{})
		left, ok := errors.AsType[*UnfinishedError](err)
		if !ok || !left.Interrupted || !strings.HasSuffix(err.Error(), "; agentctl handback "+v1+" brings it home") {
			t.Errorf("error %v, want interrupted, and how to bring it home", err)
		}
	})
}

// fakeKnock answers with a gap of its own.
type fakeKnock struct {
	fails   error
	stopped bool
}

func (k *fakeKnock) Start(context.Context) error { return k.fails }
func (k *fakeKnock) LongestGap() time.Duration   { return 4200 * time.Microsecond }
func (k *fakeKnock) Stop()                       { k.stopped = true }

func TestDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.then = func(c *fakeCluster, r control.Request) error {
			to := map[control.Command]string{control.CommandMove: "h2", control.CommandHandback: "h1"}[r.Command]
			return after(func(c *fakeCluster) { c.hold(to) })(c, r)
		}
		var said []string
		k := &fakeKnock{}
		s := &Session{Agent: c, Say: func(line string) { said = append(said, line) }}
		if err := s.Drill(t.Context(), v1, k); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, "served by h2, longest time without an answer 4.2 ms") || !strings.Contains(text, "the drill took 0.4 s") {
			t.Errorf("said:\n%s", text)
		}
		if !k.stopped {
			t.Error("still knocking")
		}
	})
}

func TestDrillRefuses(t *testing.T) {
	cases := map[string]struct {
		prepare func(*fakeCluster, *fakeKnock)
		want    string
	}{
		"a problem": {func(c *fakeCluster, _ *fakeKnock) {
			c.report.Problems = []control.Problem{{Severity: control.SeverityNote, Text: "note"}, {Severity: control.SeverityDegraded, Text: "h2 is being drained"}}
		}, "not well: h2 is being drained"},
		"away":     {func(c *fakeCluster, _ *fakeKnock) { c.hold("h2") }, "not at home"},
		"alone":    {func(c *fakeCluster, _ *fakeKnock) { c.report.VIPs[0].Candidates = nil }, "no node could stand in"},
		"no reply": {func(_ *fakeCluster, k *fakeKnock) { k.fails = errors.New("refused") }, "nobody answers"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cluster, k := newCluster(), &fakeKnock{}
			c.prepare(cluster, k)
			s := &Session{Agent: cluster, Say: func(string) {}}
			err := s.Drill(t.Context(), v1, k)
			if refused, ok := errors.AsType[*RefusedError](err); !ok || !strings.Contains(refused.Text, c.want) || len(cluster.asked) > 0 {
				t.Errorf("error %v, asked %q; want refused: %s", err, cluster.asked, c.want)
			}
		})
	}
}
