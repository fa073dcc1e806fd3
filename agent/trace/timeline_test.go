package trace

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
)

// whole is what failOver's path comes to.
const whole = `0 a failed +0
300 a noticed +300
340 a decided +40
460 a dropping +120
520 a listed +60
560 a shut +40
660 a reset +100
760 a removed +100
960 a closed +200
980 a down +20
990 a release_sent +10
1070 b release_heard +80
1170 b saved +100
1190 b hint_sent +20
1250 c hint_heard +60
1250 c asked +0
1280 c claim_sent +30
1360 b claim_heard +80
1370 b saved +10
1380 b answer_sent +10
1450 c answer_heard +70
1450 c won +0
1470 c saved +20
1880 c checked +410
1880 c ordered +0
1940 c taking +60
1990 c opened +50
2040 c added +50
2090 c announced +50
`

// A change of hands is one line of steps, from the kernel's time of the death to the first announcement, whatever else
// the nodes did meanwhile.
func TestFailover(t *testing.T) {
	w := newWorld()
	failOver(w)
	change := assembled(t, w.journals("a", "b", "c"), "c")
	if diff := cmp.Diff(whole, short(change.Path)); diff != "" {
		t.Errorf("path (-want +got):\n%s", diff)
	}
	got := *change
	got.Path, got.All, got.Time = nil, nil, time.Time{}
	want := Timeline{
		VIP: string(service), From: "a", To: "c", Epoch: 7, Cause: string(core.CauseInstanceDown), Took: 2090,
		Spent: map[Kind]int64{Noticing: 300, Deciding: 240, Packets: 360, Disk: 130, Memcached: 410, Netlink: 600, ARP: 50},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	all := short(change.All)
	for _, beside := range []string{"1000 a release_sent", "1180 b ack_sent", "1280 c checking", "1300 c saved", "2120 c up"} {
		if !strings.Contains(all, beside) {
			t.Errorf("%q is missing from all:\n%s", beside, all)
		}
	}
}

// A node that was told to stand by has asked its memcached by the time the claim is won: that is no step of the way.
func TestStandBy(t *testing.T) {
	w := newWorld()
	w.standsBy = "c"
	failOver(w)
	change := assembled(t, w.journals("a", "b", "c"), "c")
	path, all := short(change.Path), short(change.All)
	if strings.Contains(path, "check") || !strings.Contains(path, "c saved +20\n1700 c ordered +0\n") {
		t.Errorf("path:\n%s", path)
	}
	for _, beside := range []string{"360 a stand_by_sent", "380 c stand_by_heard", "380 c checking", "590 c checked"} {
		if !strings.Contains(all, beside) {
			t.Errorf("%q is missing from all:\n%s", beside, all)
		}
	}
}

// A sender that is kept from noting that it has sent what another has heard by then had sent it.
func TestSentIsNotedLate(t *testing.T) {
	w := newWorld()
	r := core.Release{From: core.Claimant{Node: "a", Start: 1}, Counter: 41, Entries: []core.ReleaseEntry{{Name: service, Successor: "c"}}}
	for _, late := range []bool{false, true} {
		a, c := w.nodes["a"], w.nodes["c"]
		a.order(turn(core.Holding, core.Dropping, core.CauseInstanceDown, 6))
		a.Ordered(a.read(), core.Send{To: "c", Msg: r})
		if !late {
			a.Done(core.Send{To: "c", Msg: r})
		}
		w.pass(70)
		c.hear(received(r))
		c.order(turn(core.Idle, core.Candidate, core.CauseSuccessor, 0))
		if late {
			w.pass(3000)
			a.Done(core.Send{To: "c", Msg: r})
		}
		c.order(turn(core.Candidate, core.Taking, core.CauseMajority, 7), turn(core.Taking, core.Holding, core.CauseAddressUp, 7))
		path := assembled(t, w.journals("a", "c"), "c").Path
		for i, s := range path[1:] {
			if s.At < path[i].At {
				t.Errorf("noted late: %t: %s at %d us, before %s at %d us", late, s.Step, s.At, path[i].Step, path[i].At)
			}
		}
	}
}

// Clocks that are seconds apart, and times of day too, give the same line, as exact as messages came back soon.
func TestClocksAreAligned(t *testing.T) {
	w := newWorld()
	for name, ahead := range map[string]int64{"a": -7_000_000, "b": 3_000_000, "c": 900_000_000} {
		w.nodes[name].ahead, w.nodes[name].clock = ahead, "clock of "+name
	}
	w.nodes["b"].wall = -2 * time.Second
	failOver(w)
	change := assembled(t, w.journals("a", "b", "c"), "")
	last := change.Path[0]
	for i, s := range change.Path[1:] {
		if s.At < last.At {
			t.Errorf("step %d, %s on %s, is at %d us, before what it waited for", i+1, s.Step, s.Node, s.At)
		}
		last = s
	}
	if apart := change.Took - 2090; max(apart, -apart) > 1100 { // the late word bounds a's clock to that
		t.Errorf("took %d us, in truth 2090", change.Took)
	}
	assertSame(t, whole, change.Path)
}

// assertSame wants the nodes and steps of a path in short.
func assertSame(t *testing.T, want string, path []Span) {
	t.Helper()
	names := func(text string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 2 {
				b.WriteString(words[1] + " " + words[2] + "\n")
			}
		}
		return b.String()
	}
	if diff := cmp.Diff(names(want), names(short(path))); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// What nodes do not answer for is left out, and the rest still stands.
func TestNodesAreMissing(t *testing.T) {
	w := newWorld()
	failOver(w)
	t.Run("the voter", func(t *testing.T) {
		path := assembled(t, w.journals("a", "c"), "c").Path
		if first := path[0]; first.Step != HintHeard || first.Node != "c" {
			t.Errorf("it begins with %s on %s, want that c heard of it", first.Step, first.Node)
		}
		// Its answer is a round trip then.
		if text := short(path); !strings.Contains(text, "c claim_sent +30\n200 c answer_heard +170\n") {
			t.Error(text)
		}
	})
	t.Run("all but the voter", func(t *testing.T) {
		if change := Assemble(w.journals("b"), ""); change != nil {
			t.Errorf("%+v", change)
		}
	})
	t.Run("the one that it came to", func(t *testing.T) {
		if change := Assemble(w.journals("a", "b", "c"), "b"); change != nil {
			t.Errorf("%+v", change)
		}
	})
}

// A host that is lost tells nobody: a voter finds that its lease is over, by itself or for its own node.
func TestLeaseRunsOut(t *testing.T) {
	w := newWorld()
	b := w.nodes["b"]
	h := core.Hint{Voter: "b", Name: service, Last: core.Term{Epoch: 6}}
	b.hear(core.Tick{})
	b.order(core.Send{To: "c", Msg: h})
	w.pass(60)
	w.win("c", 17, h, "b", "b")
	change := assembled(t, w.journals("a", "b", "c"), "c")
	if text := short(change.Path); !strings.HasPrefix(text, "0 b free +0\n10 b hint_sent +10\n70 c hint_heard +60\n70 c asked +0\n") {
		t.Error(text)
	}
	if change.From != "" || change.Cause != string(core.CauseSuccessor) {
		t.Errorf("from %q for %q", change.From, change.Cause)
	}

	w = newWorld()
	c := w.nodes["c"]
	c.hear(core.Tick{})
	c.order(turn(core.Idle, core.Candidate, core.CauseHint, 0))
	if marks := c.Journal(service).Marks; len(marks) != 2 || marks[0].Step != Free || marks[1].Step != Asked {
		t.Errorf("%+v", marks)
	}
}

// A node that asks by itself, after a wait, was not told to by the hint of before.
func TestAskedByItself(t *testing.T) {
	w := newWorld()
	c := w.nodes["c"]
	h := core.Hint{Voter: "b", Name: service, Last: core.Term{Epoch: 6}}
	c.hear(received(h))
	w.pass(200_000)
	c.hear(core.Tick{})
	c.order(turn(core.Idle, core.Candidate, core.CauseRetry, 0))
	c.hear(core.StateSaved{Seq: 1}) // with its own vote, which is enough here
	c.order(turn(core.Candidate, core.Taking, core.CauseMajority, 7), core.TakeAddress{Name: service})
	for _, s := range []Step{Taking, Opened, Added, Announced} {
		c.Address(service, s)
	}
	c.order(turn(core.Taking, core.Holding, core.CauseAddressUp, 7))
	change := assembled(t, w.journals("a", "b", "c"), "c")
	if first := change.Path[0]; first.Step != Asked || change.Took > 1000 {
		t.Errorf("it begins with %s, %d us before its end", first.Step, change.Took)
	}
}

// The newest change of hands counts, though an earlier one's marks are there, too.
func TestNewest(t *testing.T) {
	w := newWorld()
	failOver(w)
	w.pass(5_000_000)
	failOver(w) // the numbers are the same: what was meant is the nearer one
	change := assembled(t, w.journals("a", "b", "c"), "c")
	if diff := cmp.Diff(whole, short(change.Path)); diff != "" {
		t.Errorf("path (-want +got):\n%s", diff)
	}
}
