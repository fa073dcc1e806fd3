package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/core"
	"memvip/flush"
	"memvip/health"
)

var (
	empty = flush.Figures{PID: 40, Start: 1000, Uptime: 5, FlushEnabled: true}
	used  = flush.Figures{PID: 40, Start: 1000, Uptime: 5, FlushEnabled: true, TotalItems: 9, CurrItems: 3}
	proof = core.Proof{Incarnation: core.Incarnation{PID: 40, Start: 1000}, TotalItems: 9}
)

func inspects(f flush.Figures) func(context.Context) (flush.Figures, error) {
	return func(context.Context) (flush.Figures, error) { return f, nil }
}

func fails(err error) func(context.Context) (flush.Figures, error) {
	return func(context.Context) (flush.Figures, error) { return flush.Figures{}, err }
}

func TestALiveInstanceIsIntroducedWithItsFigures(t *testing.T) {
	refused := used
	refused.FlushEnabled = false
	delayed := empty
	delayed.Oldest = 1000
	kept := empty
	kept.MemoryFile = true
	for _, c := range []struct {
		name    string
		figures flush.Figures
		reason  health.Reason
		want    string
	}{
		{"never used", empty, health.ReasonNone, `instance up pid=40 restart=true note="" unprovable=""`},
		{"used", used, health.ReasonNone, `instance up pid=40 restart=false note="" unprovable=""`},
		{"keeps its memory", kept, health.ReasonNone, `instance up pid=40 restart=false note="" unprovable=""`},
		{"delayed flush pending", delayed, health.ReasonNone, `instance up pid=40 restart=false note="" unprovable=""`},
		{"cannot be flushed", refused, health.ReasonNone, `instance up pid=40 restart=false note="" unprovable="flush_all is switched off (-F)"`},
		{"full", used, health.ReasonFull, `instance up pid=40 restart=false note="full" unprovable=""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.instances.inspect = inspects(c.figures)
				r.start()
				r.loop.instances.all[mc].health(health.Report{Up: true, Reason: c.reason})
				r.settle()
				r.want("started", "inspect", c.want)
			})
		})
	}
}

func TestADeathIsToldAtOnceAndOvertakesAnIntroduction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		in := r.loop.instances.all[mc]
		answer := make(chan struct{})
		r.instances.inspect = func(context.Context) (flush.Figures, error) { <-answer; return used, nil } // hangs, then answers all the same
		r.start()
		in.health(health.Report{Up: true})
		r.settle()
		in.health(health.Report{Reason: health.ReasonExited})
		r.settle()
		r.want("started", "inspect", "instance dead: exited")
		close(answer)
		r.settle()
		r.want() // what was said of the dead process is not heard
		in.health(health.Report{Up: true})
		r.settle()
		r.want("inspect", `instance up pid=40 restart=false note="" unprovable=""`)
	})
}

func TestFiguresAreAskedForUntilTheyComeOrTheHealthChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		in := r.loop.instances.all[mc]
		r.instances.inspect = fails(refusal(flush.ReasonTimeout, "no answer"))
		r.start()
		in.health(health.Report{Up: true})
		r.settle()
		r.want("started", "inspect")
		pass(inspectRetry)
		r.settle()
		r.want("inspect")
		set(r, &r.instances.inspect, inspects(used))
		pass(inspectRetry)
		r.settle()
		r.want("inspect", `instance up pid=40 restart=false note="" unprovable=""`)
		set(r, &r.instances.inspect, fails(refusal(flush.ReasonUnreachable, "refused")))
		in.health(health.Report{Up: true})
		r.settle()
		in.health(health.Report{Reason: health.ReasonRefused})
		pass(time.Minute)
		r.settle()
		r.want("inspect", "instance down: refused")
	})
}

func TestAnInstanceThatCannotBeAskedIsUpAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		in := r.loop.instances.all[mc]
		r.instances.inspect = fails(refusal(flush.ReasonLogin, "unauthenticated"))
		r.start()
		in.health(health.Report{Up: true, Reason: health.ReasonLogin})
		r.settle()
		r.want("started", "inspect", `instance up pid=0 restart=false note="login" unprovable="memcached wants a login"`)
		pass(inspectRetry)
		r.settle()
		r.want("inspect") // said once
		set(r, &r.instances.inspect, fails(refusal(flush.ReasonFull, "too many")))
		in.health(health.Report{Up: true, Reason: health.ReasonFull})
		r.settle()
		r.want("inspect", `instance up pid=0 restart=false note="full" unprovable="memcached has no connection left to be asked for its figures"`)
		set(r, &r.instances.inspect, inspects(empty))
		pass(inspectRetry)
		r.settle()
		r.want("inspect", `instance up pid=40 restart=true note="full" unprovable=""`)
		// Full again: it is the same process, but no longer known to be empty.
		set(r, &r.instances.inspect, fails(refusal(flush.ReasonFull, "too many")))
		in.health(health.Report{Up: true, Reason: health.ReasonFull})
		r.settle()
		r.want("inspect", `instance up pid=40 restart=false note="full" unprovable=""`)
		// Another process, of which nothing is known.
		in.health(health.Report{Reason: health.ReasonExited})
		r.settle()
		in.health(health.Report{Up: true, Reason: health.ReasonFull})
		r.settle()
		r.want("instance dead: exited", "inspect",
			`instance up pid=0 restart=false note="full" unprovable="memcached has no connection left to be asked for its figures"`)
	})
}

func TestAnInstanceIsCheckedAsAsked(t *testing.T) {
	drained := []core.Name{vipA, vipB}
	for _, c := range []struct {
		name    string
		check   core.CheckInstance
		drained error
		verify  error
		want    []string
	}{
		{"nothing to check", core.CheckInstance{}, nil, nil, []string{"checked 10.0.0.101 void=false"}},
		{"as proved", core.CheckInstance{Proof: proof}, nil, nil,
			[]string{"verify pid=40 serving=false", "checked 10.0.0.101 void=false"}},
		{"serving another", core.CheckInstance{Proof: proof, Serving: true}, nil, nil,
			[]string{"verify pid=40 serving=true", "checked 10.0.0.101 void=false"}},
		{"drained, then as proved", core.CheckInstance{Proof: proof, Drained: drained}, nil, nil,
			[]string{"drained [10.0.0.101 10.0.0.102] within 1s", "verify pid=40 serving=false", "checked 10.0.0.101 void=false"}},
		{"not drained", core.CheckInstance{Proof: proof, Drained: drained}, refusal(flush.ReasonConnectionsLeft, "3 left"), nil,
			[]string{"drained [10.0.0.101 10.0.0.102] within 1s", "checked 10.0.0.101 void=false: connections_left: 3 left"}},
		{"written to", core.CheckInstance{Proof: proof}, nil, refusal(flush.ReasonItemsChanged, "total_items went from 9 to 10"),
			[]string{"verify pid=40 serving=false", "checked 10.0.0.101 void=true: items_changed: total_items went from 9 to 10"}},
		{"no answer", core.CheckInstance{Proof: proof}, nil, refusal(flush.ReasonTimeout, "no answer"),
			[]string{"verify pid=40 serving=false", "checked 10.0.0.101 void=false: timeout: no answer"}},
		{"another error", core.CheckInstance{Proof: proof}, nil, errors.New("odd"),
			[]string{"verify pid=40 serving=false", "checked 10.0.0.101 void=false: odd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.instances.drained = func(context.Context) error { return c.drained }
				r.instances.verify = func(context.Context) error { return c.verify }
				r.start()
				c.check.Instance, c.check.Name, c.check.Number = mc, vipA, 1
				r.order(c.check)
				r.want(append([]string{"started"}, c.want...)...)
			})
		})
	}
}

func TestAnUnknownInstanceIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		other := "127.0.0.1:9"
		r.order(core.WatchQuiet{Instance: other}, core.StopWatch{Instance: other}, core.RestartInstance{Instance: other})
		r.order(core.CheckInstance{Instance: other, Name: vipA})
		r.order(core.FlushInstance{Instance: other, Attempt: 2})
		r.want("started", "checked 10.0.0.101 void=false: no such instance here", "flush 2 failed: no such instance here")
	})
}

func TestChecksDoNotWaitForAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.instances.quiet = func(ctx context.Context, _ flush.QuietOptions) (flush.Figures, error) {
			return flush.Figures{}, until(ctx)
		}
		r.instances.drained = until
		r.instances.restart = until
		r.start()
		r.order(
			core.WatchQuiet{Instance: mc},
			core.CheckInstance{Instance: mc, Name: vipB, Drained: []core.Name{vipB}}, // hangs
			core.RestartInstance{Instance: mc},                                       // hangs
			core.CheckInstance{Instance: mc, Name: vipA, Proof: proof},
		)
		if !r.heard("checked 10.0.0.101 void=false") {
			t.Errorf("the check waits: %q", r.journal)
		}
		pass(checkTimeout)
		r.settle()
		if !r.heard("checked 10.0.0.102 void=false: stopped: context deadline exceeded") {
			t.Errorf("a check that hangs is not ended: %q", r.journal)
		}
	})
}

func TestAWatchEndsInQuietWhichTheFlushStartsFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		quiet := make(chan struct{})
		r.instances.quiet = func(_ context.Context, o flush.QuietOptions) (flush.Figures, error) {
			o.Unquiet("cmd_get went from 1 to 2")
			<-quiet
			return used, nil
		}
		r.instances.prove = func(_ context.Context, since flush.Figures) (flush.Certificate, error) {
			if since.TotalItems != used.TotalItems {
				t.Errorf("proves from %+v, not from what was quiet", since)
			}
			return flush.Certificate{PID: since.PID}, nil
		}
		r.start()
		r.order(core.FlushInstance{Instance: mc, Attempt: 1})
		r.want("started", "flush 1 failed: it was not seen quiet")
		r.order(core.WatchQuiet{Instance: mc})
		r.want("watch", "busy: cmd_get went from 1 to 2")
		close(quiet)
		r.settle()
		r.want("quiet")
		r.order(core.FlushInstance{Instance: mc, Attempt: 2, Drained: []core.Name{vipA}})
		r.want("prove [10.0.0.101] pid=40", "flush 2 done pid=40")
		set(r, &r.instances.prove, func(context.Context, flush.Figures) (flush.Certificate, error) {
			return flush.Certificate{}, refusal(flush.ReasonNotEmpty, "curr_items is still 3")
		})
		r.order(core.FlushInstance{Instance: mc, Attempt: 3})
		r.want("prove [] pid=40", "flush 3 failed: not_empty: curr_items is still 3")
	})
}

func TestAStoppedWatchIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := true
		r.instances.quiet = func(ctx context.Context, o flush.QuietOptions) (flush.Figures, error) {
			mine := first
			first = false
			<-ctx.Done()
			if mine { // quiet, busy and the end come at the same moment
				o.Unquiet("late")
				return used, nil
			}
			return flush.Figures{}, refusal(flush.ReasonStopped, "stopped")
		}
		r.start()
		r.order(core.WatchQuiet{Instance: mc}, core.StopWatch{Instance: mc})
		r.order(core.WatchQuiet{Instance: mc})
		r.order(core.StopWatch{Instance: mc})
		if r.heard("quiet") || r.heard("busy: late") {
			t.Errorf("a stopped watch is heard: %q", r.journal)
		}
	})
}

// A memcached that does not listen on what it may have to serve is up, and said to be of no use there.
func TestAVIPThatMemcachedDoesNotListenOn(t *testing.T) {
	at := func(list ...string) (out []netip.AddrPort) {
		for _, text := range list {
			out = append(out, netip.MustParseAddrPort(text))
		}
		return out
	}
	for _, c := range []struct {
		name      string
		listeners []netip.AddrPort
		note      string
	}{
		{"everywhere", at("0.0.0.0:11211", "[::]:11211"), ""},
		{"on each", at("127.0.0.1:11301", "10.0.0.101:11211", "[fd00::101]:11211"), ""},
		{"IPv4 only", at("0.0.0.0:11211"), "it does not listen on fd00::101"},
		{"on loopback only", at("127.0.0.1:11211"), "it does not listen on 10.0.0.101, fd00::101"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.instances.inspect, r.instances.listeners = inspects(used), c.listeners
				r.loop.instances.all[mc].vips = []netip.Addr{netip.MustParseAddr("10.0.0.101"), netip.MustParseAddr("fd00::101")}
				r.start()
				r.loop.instances.all[mc].health(health.Report{Up: true})
				r.settle()
				up := []string{"started", "inspect", `instance up pid=40 restart=false note="" unprovable=""`}
				if c.note != "" { // and not before: a holder may be waiting to go on
					up = append(up, fmt.Sprintf(`instance up pid=40 restart=false note=%q unprovable=""`, c.note))
				}
				r.want(up...)
			})
		})
	}
}

func TestAWatchThatFailsBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.instances.quiet = func(context.Context, flush.QuietOptions) (flush.Figures, error) {
			return flush.Figures{}, refusal(flush.ReasonUnreachable, "connection refused")
		}
		r.start()
		r.order(core.WatchQuiet{Instance: mc})
		r.want("started", "watch", "busy: unreachable: connection refused")
		set(r, &r.instances.quiet, func(context.Context, flush.QuietOptions) (flush.Figures, error) { return used, nil })
		pass(watchRetry)
		r.settle()
		r.want("watch", "quiet")
	})
}

func TestARestartRunsOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.instances.restart = until
		r.start()
		r.order(core.RestartInstance{Instance: mc}, core.RestartInstance{Instance: mc})
		r.want("started", "restart [restart it]")
		pass(restartTimeout)
		r.settle()
		r.want("restart failed: context deadline exceeded")
		set(r, &r.instances.restart, nil)
		r.order(core.RestartInstance{Instance: mc})
		r.want("restart [restart it]")
	})
}

func TestEveryReasonVoidsAProofOrNot(t *testing.T) {
	want := map[flush.Reason]bool{
		flush.ReasonRestarted: true, flush.ReasonFlushedAgain: true, flush.ReasonItemsChanged: true,
		flush.ReasonDelayedFlush: true, flush.ReasonNotEmpty: true,
	}
	for reason := flush.ReasonStopped; reason <= flush.ReasonRestartFailed; reason++ {
		if voids(reason) != want[reason] {
			t.Errorf("%s: voids is %t", reason, voids(reason))
		}
	}
}
