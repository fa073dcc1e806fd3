package hooks

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"memvip/agent/core"
	"memvip/agent/history"
	"memvip/configs"
)

func TestMain(m *testing.M) {
	if os.Getenv(lifeVariable) != "" {
		os.Exit(live())
	}
	goleak.VerifyTestMain(m)
}

// far is a timeout that no test reaches.
const far = time.Hour

// bench is a runner whose commands are scripts of a test.
type bench struct {
	*Runner
	t       *testing.T
	dir     string
	ended   chan Outcome
	dropped chan Event
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), ended: make(chan Outcome, 2000), dropped: make(chan Event, 2000)}
	b.Runner = New(Report{Ended: func(o Outcome) { b.ended <- o }, Dropped: func(e Event) { b.dropped <- e }})
	t.Cleanup(func() { b.Close(0) })
	return b
}

// options have a script run for everything.
func (b *bench) options(script string, timeout time.Duration) Options {
	argv := []string{"/bin/sh", "-c", "cd " + b.dir + "\n" + script}
	return Options{
		Node: "cache1", Cluster: "cache-prod", Sites: map[string]Site{"10.0.0.101": {"cache1", "eth0"}, "10.0.0.102": {"cache2", "eth1"}},
		Commands: configs.Hooks{Claim: argv, Release: argv, Refusal: argv, Conflict: argv, Timeout: timeout},
	}
}

// run has the runner run a script for everything.
func (b *bench) run(script string, timeout time.Duration) { b.Configure(b.options(script, timeout)) }

// next returns the next outcome.
func (b *bench) next() Outcome {
	b.t.Helper()
	select {
	case o := <-b.ended:
		return o
	case <-time.After(30 * time.Second):
		b.t.Fatal("no hook has ended")
		return Outcome{}
	}
}

// read returns a file that a script wrote.
func (b *bench) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// gate makes a named pipe. Whoever opens it for reading waits until it is opened for writing.
func (b *bench) gate(name string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// open lets go those who wait at a gate, now and from now on.
func (b *bench) open(gate string) {
	b.t.Helper()
	f, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Repeat("\n", 1000)); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = f.Close() })
}

// atGate waits until somebody writes a line at a gate, and returns it with what tells that all who had it open are gone.
func (b *bench) atGate(gate string) (line string, gone func()) {
	b.t.Helper()
	f, err := os.Open(gate)
	if err != nil {
		b.t.Fatal(err)
	}
	r := bufio.NewReader(f)
	line, err = r.ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(line), func() {
		b.t.Helper()
		defer f.Close()
		_ = f.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := r.ReadByte(); err == nil || os.IsTimeout(err) {
			b.t.Errorf("somebody still has the gate open: %v", err)
		}
	}
}

// changed is a change of a VIP's role.
func changed(vip string, from, to core.Role, cause core.Cause, epoch uint64) history.Entry {
	return history.Entry{
		Time: time.Date(2026, 11, 21, 14, 3, 7, 413_900_000, time.FixedZone("", 3600)), Kind: history.KindChange,
		VIP: vip, From: from.String(), To: to.String(), Cause: string(cause), Epoch: epoch,
	}
}

// claimed notices that a VIP is up.
func (b *bench) claimed(vip string, epoch uint64) {
	b.Notice(changed(vip, core.Taking, core.Holding, core.CauseAddressUp, epoch))
}

func TestAHookThatHangsIsKilledWithItsGroup(t *testing.T) {
	b := newBench(t)
	gate := b.gate("gate")
	b.run("exec 9>gate; sleep 1000 & echo first; echo last words >&2; echo up >&9; wait", 300*time.Millisecond)
	b.claimed("10.0.0.101", 1)
	_, gone := b.atGate(gate)
	o := b.next()
	gone()
	if !o.TimedOut || o.Code != 128+9 || o.Err == nil || o.Output != "first\nlast words" || o.Took < 300*time.Millisecond {
		t.Errorf("%+v", o)
	}
	if s := b.Snapshot(); s.Claim != (Counts{Run: 1, TimedOut: 1}) || s.Running+s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatAHookLeavesBehindIsKilled(t *testing.T) {
	b := newBench(t)
	gate := b.gate("gate")
	b.run("exec 9>gate; sleep 1000 & echo up >&9", far)
	b.claimed("10.0.0.101", 1)
	_, gone := b.atGate(gate)
	if o := b.next(); o.Err != nil {
		t.Errorf("%+v", o)
	}
	gone()
}

// What has left the group goes on, and its output is not waited for.
func TestAHookMayLeaveItsGroup(t *testing.T) {
	b := newBench(t)
	gate, there := b.gate("gate"), b.gate("there")
	b.run("echo said; setsid sh -c 'echo up >there; read -r line <gate; echo free >there' & read -r line <there", far)
	b.claimed("10.0.0.101", 1)
	if o := b.next(); o.Err != nil || o.Output != "said" {
		t.Errorf("%+v", o)
	}
	b.open(gate)
	if line, _ := b.atGate(there); line != "free" {
		t.Errorf("said %q", line)
	}
}

func TestHowHooksEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		argv   []string
		code   int
		err    string
		output string
		counts Counts
	}{
		{"well", []string{"/bin/sh", "-c", "echo fine"}, 0, "", "fine", Counts{Run: 1}},
		{"in silence", []string{"/bin/true"}, 0, "", "", Counts{Run: 1}},
		{"badly", []string{"/bin/sh", "-c", "echo 'no\033[2J way' >&2; exit 3"}, 3, "exit code 3", "no\033[2J way", Counts{Run: 1, Failed: 1}},
		{"killed", []string{"/bin/sh", "-c", "kill -TERM $$"}, 143, "killed by signal 15", "", Counts{Run: 1, Failed: 1}},
		{"not there", []string{"/nonexistent/hook"}, -1, "no such file", "", Counts{Run: 1, Failed: 1}},
		{"with much to say", []string{"/bin/sh", "-c", "yes no | head -n 100000; echo yes"}, 0, "", strings.Repeat("no\n", 340) + "yes", Counts{Run: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.Configure(Options{Commands: configs.Hooks{Claim: c.argv, Timeout: far}})
			b.claimed("10.0.0.101", 1)
			o := b.next()
			if o.Code != c.code || (o.Err == nil) != (c.err == "") || o.Err != nil && !strings.Contains(o.Err.Error(), c.err) || !strings.HasSuffix(o.Output, c.output) {
				t.Errorf("%+v", o)
			}
			if s := b.Snapshot().Claim; s != c.counts {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func TestHooksOfOneVIPAreRunInOrder(t *testing.T) {
	b := newBench(t)
	b.run(`echo "$MEMVIP_EVENT $MEMVIP_EPOCH" >>"$MEMVIP_VIP"`, far)
	var want strings.Builder
	for epoch := range uint64(waitingMax / 2) {
		b.claimed("10.0.0.101", epoch+1)
		b.Notice(changed("10.0.0.101", core.Holding, core.Dropping, core.CauseMove, epoch+1))
		b.Notice(changed("10.0.0.101", core.Dropping, core.Idle, core.CauseReleased, epoch+1))
		fmt.Fprintf(&want, "claim %d\nrelease %d\n", epoch+1, epoch+1)
	}
	for range waitingMax {
		if o := b.next(); o.Err != nil {
			t.Fatalf("%+v", o)
		}
	}
	if got := b.read("10.0.0.101"); got != want.String() {
		t.Errorf("run in this order:\n%s", got)
	}
}

func TestHooksOfDifferentVIPsAreRunBesideEachOther(t *testing.T) {
	b := newBench(t)
	b.gate("gate")
	// The first ends only when the second has run.
	b.run(`if [ "$MEMVIP_VIP" = 10.0.0.101 ]; then read -r line <gate; else echo over >gate; fi`, far)
	b.claimed("10.0.0.101", 1)
	b.claimed("10.0.0.102", 1)
	for range 2 {
		if o := b.next(); o.Err != nil {
			t.Errorf("%+v", o)
		}
	}
}

func TestOnlySoManyRunAtOnce(t *testing.T) {
	const vips = 2*runningMax + 3
	b := newBench(t)
	gate := b.gate("gate")
	b.run("read -r line <gate", far)
	for i := range vips {
		b.claimed(fmt.Sprintf("10.0.1.%d", i), 1)
	}
	if s := b.Snapshot(); s.Running != runningMax || s.Waiting != vips-runningMax {
		t.Errorf("%d run and %d wait", s.Running, s.Waiting)
	}
	b.open(gate)
	for range vips {
		if o := b.next(); o.Err != nil {
			t.Fatalf("%+v", o)
		}
	}
}

// However much happens while a hook hangs, nobody is held up, what waits is bounded, and the last word gets through.
func TestAFloodHoldsUpNobody(t *testing.T) {
	const events = 1000
	b := newBench(t)
	gate := b.gate("gate")
	b.run("read -r line <gate", far)
	for i := range uint64(events) {
		b.claimed("10.0.0.101", i+1) // would never return if it waited for a hook
		b.Notice(history.Entry{Kind: history.KindChange, VIP: "10.0.0.101", From: "holding", To: "holding", Cause: string(core.CauseForeignHost), Detail: "02:aa:00:00:00:99"})
	}
	const dropped = 2*events - 1 - waitingMax
	s := b.Snapshot()
	if s.Running != 1 || s.Waiting != waitingMax || s.Claim.Dropped+s.Conflict.Dropped != dropped || s.Conflict.Dropped != events || len(b.dropped) != dropped {
		t.Errorf("%+v, %d told", s, len(b.dropped))
	}
	b.open(gate)
	var last Outcome
	for range 1 + waitingMax {
		last = b.next()
	}
	if last.Event.Kind != Claim || last.Event.Epoch != events {
		t.Errorf("the last hook was for %+v", last.Event)
	}
}

func TestTheEndIsNotWaitedForWithoutEnd(t *testing.T) {
	for _, patience := range []time.Duration{0, 50 * time.Millisecond} {
		b := newBench(t)
		gate := b.gate("gate")
		b.run("exec 9>gate; echo up >&9; sleep 1000", far)
		b.claimed("10.0.0.101", 1)
		b.claimed("10.0.0.101", 2)
		_, gone := b.atGate(gate)
		b.Close(patience) // the hook takes a quarter of an hour
		gone()
		if o := b.next(); o.TimedOut || o.Code != 128+9 {
			t.Errorf("%+v", o)
		}
		b.claimed("10.0.0.101", 3)
		if s := b.Snapshot(); s.Claim != (Counts{Run: 1, Failed: 1, Dropped: 2}) || s.Running+s.Waiting != 0 || len(b.dropped) != 2 {
			t.Errorf("%+v, %d told", s, len(b.dropped))
		}
	}
}

func TestTheEndWaitsForWhatIsAboutToEnd(t *testing.T) {
	b := newBench(t)
	b.run(`echo "$MEMVIP_EPOCH" >>done`, far)
	b.claimed("10.0.0.101", 1)
	b.claimed("10.0.0.101", 2)
	b.Close(far)
	if got := b.read("done"); got != "1\n2\n" {
		t.Errorf("run: %q", got)
	}
}

func TestOtherCommandsFromNowOn(t *testing.T) {
	b := newBench(t)
	gate := b.gate("gate")
	b.run(`read -r line <gate; echo old`, far)
	b.claimed("10.0.0.101", 1)
	b.claimed("10.0.0.101", 2)
	b.claimed("10.0.0.102", 1)
	b.claimed("10.0.0.102", 2)
	b.run("echo new", far)
	b.open(gate)
	said := map[uint64]string{}
	for range 4 {
		o := b.next()
		said[o.Event.Epoch] += o.Output
	}
	if said[1] != "oldold" || said[2] != "newnew" {
		t.Errorf("what ran said %q, what waited %q", said[1], said[2])
	}
	none := b.options("", far)
	none.Commands = configs.Hooks{Timeout: far}
	b.Configure(none)
	b.claimed("10.0.0.101", 3)
	if s := b.Snapshot(); s.Running+s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsDropped(t *testing.T) {
	var l lane
	var dropped []string
	put := func(k Kind, epoch uint64) {
		if e, full := l.put(Event{Kind: k, Epoch: epoch}); full {
			dropped = append(dropped, fmt.Sprint(e.Kind, e.Epoch))
		}
	}
	put(Claim, 1)
	put(Conflict, 2)
	put(Refusal, 3)
	for i := range uint64(waitingMax - 3) {
		put(cmp.Or(map[bool]Kind{true: Release}[i%2 == 0], Claim), 4+i)
	}
	for i := range uint64(3) {
		put(Release, 100+i)
	}
	put(Conflict, 200) // there is room for nothing but where the VIP is
	if got := fmt.Sprint(dropped); got != "[conflict2 refusal3 claim1 conflict200]" {
		t.Errorf("dropped %s", got)
	}
	if e := l.take(); e.Kind != Release || e.Epoch != 4 {
		t.Errorf("the oldest is %+v", e)
	}
}
