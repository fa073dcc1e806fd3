package health

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func runUntilCleanup(t *testing.T, p *Prober) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		wait(t, "Run to return", done)
	})
}

func TestFirstContact(t *testing.T) {
	for name, c := range map[string]struct {
		treat  manner
		up     bool
		reason Reason
	}{
		"serves":   {treat: serves, up: true, reason: ReasonNone},
		"full":     {treat: full, up: true, reason: ReasonFull},
		"login":    {treat: login, up: true, reason: ReasonLogin},
		"silent":   {treat: silent, reason: ReasonTimeout},
		"nonsense": {treat: nonsense, reason: ReasonBadReply},
		"hangs_up": {treat: hangsUp, reason: ReasonClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s := startScripted(t, always(c.treat))
			p, reports := probe(t, s.addr, hasty)
			r := next(t, reports, c.up, c.reason)
			if c.up && r.PID != os.Getpid() {
				t.Errorf("process %d, want this one, which has the listening socket: %d", r.PID, os.Getpid())
			}
			if got := p.Source(); got != SourceConnection {
				t.Errorf("source %q without a connector", got)
			}
			if (r.Detail == "") != (c.reason == ReasonNone) {
				t.Errorf("detail %q for %v", r.Detail, c.reason)
			}
		})
	}
}

// TestFirstContactNeedsOneAnswer has an interval so long that a second question would never come.
func TestFirstContactNeedsOneAnswer(t *testing.T) { serving(t, idle) }

// TestPace: an instance that serves nobody is asked seldom, unless something may be wrong with it or its end would not be told.
func TestPace(t *testing.T) {
	connector := &Connector{done: make(chan struct{})}
	serves := false
	p := New(orUsual(Options{Report: func(Report) {}, Serving: func() bool { return serves }, Connector: connector}))
	l := newLoop(p)
	l.kept = &session{}
	l.stopWatch = func() {}
	now := time.Now()
	expect := func(when string, want time.Duration) {
		t.Helper()
		if got := l.pace(now); got != want {
			t.Errorf("%s: %s from one question to the next, want %s", when, got, want)
		}
		if seldom := l.freshPace() > usual.FreshInterval; seldom != (want == 4*usual.Interval) {
			t.Errorf("%s: fresh connections every %s", when, l.freshPace())
		}
	}
	answer := func() { l.conclude(event{what: answered, at: now, sent: now}) }
	observe := func(k Kind, o Outcome) { l.observe(Observation{Kind: k, Outcome: o, Sent: now, At: now}) }
	expect("nothing known yet", usual.Interval)
	answer()
	expect("up", 4*usual.Interval)
	serves = true
	expect("up and serving", usual.Interval)
	serves = false
	l.suspect(Exit{Kind: ExitThread})
	expect("a thread ended", usual.Interval)
	answer()
	expect("and an answer came", 4*usual.Interval)
	observe(Fresh, TimedOut)
	expect("a fresh connection is overdue", usual.Interval)
	observe(Fresh, Settled)
	expect("and came to an end", 4*usual.Interval)
	observe(KeptOpen, BadReply)
	expect("an answer was wrong", usual.Interval)
	answer()
	expect("and the next one right", 4*usual.Interval)
	l.stopWatch = nil
	expect("not watched", usual.Interval)
	l.stopWatch = func() {}
	expect("watched again", 4*usual.Interval)
	for range usual.Fall {
		observe(KeptOpen, TimedOut)
	}
	expect("just down", quickInterval)
	now = now.Add(quickFor + time.Second)
	expect("down", usual.Interval)
	for range usual.Rise {
		answer()
	}
	expect("up again", 4*usual.Interval)
	close(connector.done)
	expect("the connector failed", usual.Interval)
	for interval, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: 400 * time.Millisecond, 500 * time.Millisecond: time.Second, 2 * time.Second: 2 * time.Second,
	} {
		if got := IdleInterval(interval, time.Second); got != want {
			t.Errorf("with %s and fresh connections every second: %s, want %s", interval, got, want)
		}
	}
}

// TestHurry: an instance that begins to serve is asked at once as if it had served before.
func TestHurry(t *testing.T) {
	connector := &Connector{done: make(chan struct{})}
	serves := false
	p := New(orUsual(Options{Report: func(Report) {}, Serving: func() bool { return serves }, Connector: connector}))
	l := newLoop(p)
	l.kept = &session{asks: make(chan struct{}, 1)}
	l.stopWatch = func() {}
	now := firstBeat.Add(time.Hour)
	l.conclude(event{what: answered, at: now, sent: now})
	l.ask(now)
	l.nextFresh = inStep(now, l.freshPace())
	expect := func(when string, next, fresh time.Duration) {
		t.Helper()
		if l.next.Sub(now) != next || l.nextFresh.Sub(now) != fresh {
			t.Errorf("%s: the next question in %s, a fresh connection in %s, want %s and %s", when, l.next.Sub(now), l.nextFresh.Sub(now), next, fresh)
		}
	}
	expect("idle", 4*usual.Interval, 4*usual.FreshInterval)
	serves = true
	p.Hurry()
	p.Hurry() // no more than once
	<-l.hurry
	l.hasten(now)
	expect("serving", usual.Interval, usual.FreshInterval)
	select {
	case <-l.hurry:
		t.Error("it is to hurry twice")
	default:
	}
}

// TestHurryIsHeard has a loop whose next question would come in an hour.
func TestHurryIsHeard(t *testing.T) {
	s := startScripted(t, always(serves))
	p := New(orUsual(Options{Address: s.addr, Interval: 20 * time.Millisecond, FreshInterval: time.Hour, Report: func(Report) {}}))
	l := newLoop(p)
	l.next = time.Now().Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx)
	}()
	p.Hurry()
	s.awaitConnections(1)
	cancel()
	<-ended
}

// TestInStep: probers that begin at any time ask together.
func TestInStep(t *testing.T) {
	const pace = 100 * time.Millisecond
	beats := map[time.Time]bool{}
	begin := firstBeat.Add(time.Hour)
	for i := range time.Duration(100) {
		now := begin.Add(i * time.Millisecond)
		at := inStep(now, pace)
		if wait := at.Sub(now); wait <= 0 || wait > pace {
			t.Errorf("%s after a beat: the next is in %s", i*time.Millisecond, wait)
		}
		beats[at] = true
		if again := inStep(at, pace); again.Sub(at) != pace {
			t.Errorf("the beat after one is %s later", again.Sub(at))
		}
	}
	if len(beats) != 1 {
		t.Errorf("%d beats in one %s", len(beats), pace)
	}
}

// TestWhenTheProcessIsLookedAt: at once while nothing else would tell of its end or a sign of it came; else when the answer
// is overdue, since an answer is late on every busy host.
func TestWhenTheProcessIsLookedAt(t *testing.T) {
	connector := &Connector{done: make(chan struct{})}
	p := New(orUsual(Options{Connector: connector}))
	l := newLoop(p)
	l.kept = &session{asks: make(chan struct{}, 1)}
	now := time.Now()
	ask := func() time.Duration {
		t.Helper()
		l.ask(now)
		<-l.kept.asks
		return l.lookAt.Sub(now)
	}
	answer := func() { l.conclude(event{what: answered, at: now, sent: now}) }
	l.Report = func(Report) {}
	expect := func(when string, got, want time.Duration) {
		t.Helper()
		if got != want {
			t.Errorf("%s: looked at after %s, want %s", when, got, want)
		}
		answer()
	}
	expect("not watched", ask(), lookFirst)
	l.stopWatch = func() {}
	expect("watched", ask(), l.Deadline)
	l.suspect(Exit{Kind: ExitThread})
	if l.next.After(time.Now()) {
		t.Error("no question follows a sign of the end")
	}
	expect("a thread ended", ask(), lookFirst)
	expect("and an answer came", ask(), l.Deadline)
	ask()
	l.suspect(Exit{Kind: ExitMissed})
	if l.lookAt.After(time.Now()) {
		t.Error("not looked at when events were lost while a question was out")
	}
	answer()
	close(connector.done)
	expect("the connector failed", ask(), lookFirst)
}

func TestNobodyListens(t *testing.T) {
	s := startScripted(t, always(serves))
	s.stop()
	_, reports := probe(t, s.addr, hasty)
	next(t, reports, false, ReasonRefused)
	s.listen(s.addr.String())
	next(t, reports, true, ReasonNone)
}

func TestNoRoute(t *testing.T) {
	// 240.0.0.0/4 is reserved: the kernel refuses it without a packet, or as unreachable.
	_, reports := probe(t, netip.MustParseAddrPort("255.255.255.255:11211"), hasty)
	if r := wait(t, "a report", reports); r.Up || r.Reason != ReasonNoRoute && r.Reason != ReasonIO {
		t.Errorf("got %+v", r)
	}
}

// TestEndOfConnectionIsNoticedWhileIdle has an interval so long that only the end itself can tell.
func TestEndOfConnectionIsNoticedWhileIdle(t *testing.T) {
	s, reports := serving(t, idle)
	s.stop()
	next(t, reports, false, ReasonClosed)
	s.listen(s.addr.String())
	next(t, reports, true, ReasonNone)
}

// TestKickedConnectionIsNothing: the server hangs up on everybody, as after an idle_timeout, and goes on as the same
// process.
func TestKickedConnectionIsNothing(t *testing.T) {
	s, reports := serving(t, hasty)
	for range 5 {
		s.awaitConnections(s.total() + 1)
		s.hangUp()
	}
	s.reincarnate()
	next(t, reports, false, ReasonClosed)
}

// total is how many connections were accepted.
func (s *scripted) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// awaitConnections waits until n connections were accepted.
func (s *scripted) awaitConnections(n int) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); s.total() < n; <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d connections in %v, want %d", s.total(), patience, n)
		}
	}
}

// TestRestartThatNoProbeMet: the old process's connection ends and the next is answered by another process at once.
func TestRestartThatNoProbeMet(t *testing.T) {
	s, reports := serving(t, idle)
	for range 3 {
		s.reincarnate()
		next(t, reports, false, ReasonClosed)
		next(t, reports, true, ReasonNone)
	}
}

// TestConnectionsThatEndUnanswered: a server that closes every connection is down, but not asked without a pause.
func TestConnectionsThatEndUnanswered(t *testing.T) {
	s, reports := serving(t, hasty)
	s.script(always(hangsUp))
	s.hangUp()
	next(t, reports, false, ReasonClosed)
	s.script(always(serves))
	next(t, reports, true, ReasonNone)
}

func TestSilenceAndThaw(t *testing.T) {
	frozen := make(chan struct{})
	s, reports := serving(t, hasty)
	// All at once: no connection is answered any more, as long as the lock that every answer needs is held.
	s.freeze(frozen)
	next(t, reports, false, ReasonTimeout)
	close(frozen)
	next(t, reports, true, ReasonNone)
}

// freeze stops the server, which needs its lock for every connection and every answer.
func (s *scripted) freeze(until <-chan struct{}) {
	held := make(chan struct{})
	s.wg.Go(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(held)
		<-until
	})
	<-held
}

// TestStuckWorker: one connection in four hangs, never the kept-open one.
func TestStuckWorker(t *testing.T) {
	release := make(chan struct{})
	s, reports := serving(t, hasty)
	s.script(func(n int) manner {
		select {
		case <-release:
			return serves
		default:
		}
		if n%4 == 1 {
			return silent
		}
		return serves
	})
	next(t, reports, false, ReasonWorkerStuck)
	// It stays down while one in four hangs: 64 more connections are served or not, and nothing is reported.
	s.awaitConnections(s.total() + 64)
	select {
	case r := <-reports:
		t.Fatalf("got %+v while a worker is stuck", r)
	default:
	}
	close(release)
	next(t, reports, true, ReasonNone)
}

// TestFullForOthers: the kept-open connection works, new ones are turned away.
func TestFullForOthers(t *testing.T) {
	s, reports := serving(t, hasty)
	s.script(always(full))
	next(t, reports, true, ReasonFull)
	s.script(always(serves))
	next(t, reports, true, ReasonNone)
	// The kept-open connection is lost while the server is full: no death either, and the same process afterwards.
	s.script(always(full))
	next(t, reports, true, ReasonFull)
	s.hangUp()
	s.awaitConnections(s.total() + 10)
	s.script(always(serves))
	next(t, reports, true, ReasonNone)
}

func TestBadRepliesToNewConnections(t *testing.T) {
	s, reports := serving(t, hasty)
	s.script(always(nonsense))
	r := next(t, reports, false, ReasonBadReply)
	if want := `got "500 what?"`; !strings.Contains(r.Detail, want) {
		t.Errorf("detail %q does not say %s", r.Detail, want)
	}
	s.script(always(serves))
	next(t, reports, true, ReasonNone)
}

// TestListenerGone: the port is closed while established connections live on.
func TestListenerGone(t *testing.T) {
	s, reports := serving(t, hasty)
	s.mu.Lock()
	s.listener.Close()
	s.mu.Unlock()
	next(t, reports, false, ReasonRefused)
	s.listen(s.addr.String())
	next(t, reports, true, ReasonNone)
}

// TestRunLeavesNothing ends Run in the middle of questions that are never answered; goleak sees to the rest.
func TestRunLeavesNothing(t *testing.T) {
	for _, treat := range []manner{serves, silent, hangsUp} {
		s := startScripted(t, always(treat))
		ctx, cancel := context.WithCancel(context.Background())
		reported := make(chan struct{}, 100)
		o := hasty
		o.Address = s.addr
		o.Report = func(Report) { reported <- struct{}{} }
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(orUsual(o)).Run(ctx)
		}()
		wait(t, "a report", reported)
		cancel()
		wait(t, "Run to return", done)
	}
}

func TestHangupIsTellableFromData(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	h, err := watchHangup(near.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	ended := make(chan bool, 1)
	go func() { ended <- h.wait() }()
	if _, err := far.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 4)); err != nil { // The data is there; the watch has not ended for it.
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("data was taken for the end")
	default:
	}
	far.Close()
	if !wait(t, "the end", ended) {
		t.Error("the watch was closed, not the connection")
	}
}
