package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestVoter runs the files of testdata/voter against one voter alone.
func TestVoter(t *testing.T) {
	eachScenario(t, "testdata/voter", func() func(*testing.T, *datadriven.TestData) string { return newBooth(false).command })
}

// booth is one voter with its file and a clock.
type booth struct {
	now    Instant
	v      *voter
	file   Durable
	random entropy
	list   ListID
}

func newBooth(lost bool) *booth {
	b := &booth{now: 1, random: entropy{7}, file: Durable{Memory: 42, Voters: []string{"voter"}}, list: ListID{Digest: 3, Previous: 2}}
	b.start(lost)
	return b
}

func (b *booth) start(lost bool) {
	cfg := Config{
		Lease: 600 * time.Millisecond, DriftPPM: DefaultDriftPPM,
		VIPs: []VIP{{Name: "v1", Home: "a"}, {Name: "v2", Home: "b"}},
	}
	if lost {
		b.file = Durable{}
	}
	b.v = newVoter(cfg, "voter", b.file, !lost, b.now, &b.random, func() ListID { return b.list })
	b.save()
}

// save replaces the file, as a machine does at its start and before an answer leaves that needs it.
func (b *booth) save() {
	b.file = Durable{Voters: []string{"voter"}}
	b.v.keep(&b.file)
}

// command carries out one line. A claim is written
// "claim a 1.3 fresh v1 epoch=2 [echo=old|none] [length=3s] [boot=x] [list=k] [clean] [held=n] [continues=epoch]".
func (b *booth) command(t *testing.T, d *datadriven.TestData) string {
	var args []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			args = append(args, a.Key)
		}
	}
	b.v.expire(b.now)
	switch d.Cmd {
	case "voter", "restart":
		b.start(d.HasArg("lost"))
		return "ok\n"
	case "advance":
		b.now = b.now.Add(duration(t, args[0]))
		b.v.expire(b.now)
		return b.hinted()
	case "list":
		b.list = ListID{Digest: number(t, args[0]), Previous: number(t, args[0]) - 1}
		return "ok\n"
	case "claim":
		return b.claim(t, d, args)
	case "release":
		r := Release{From: b.claimant(t, d, args), Counter: b.counter(t, args[1]), Echo: b.echo(d), Length: 600 * time.Millisecond}
		r.Entries = []ReleaseEntry{{Name: Name(args[2]), Successor: option(d, "to", "")}}
		ack, changed := b.v.release(b.now, r)
		out := "ack"
		if ack.Refused != NotRefused {
			out = "refused " + ack.Refused.String()
		}
		out += b.write(changed)
		if to, h, ok := b.v.reservedHint(b.now, Name(args[2])); ok {
			out += fmt.Sprintf("\ntells %s: kept for you by %s", to, h.By)
		}
		return out + "\n" + b.hinted()
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

func (b *booth) claim(t *testing.T, d *datadriven.TestData, args []string) string {
	from := b.claimant(t, d, args)
	name := Name("v1")
	c := Claim{
		From: from, Counter: b.counter(t, args[1]), Echo: b.echo(d), Length: 600 * time.Millisecond,
		List: ListID{Digest: b.list.Digest, Previous: b.list.Previous},
	}
	if l := option(d, "length", ""); l != "" {
		c.Length = duration(t, l)
	}
	if k := option(d, "list", ""); k != "" {
		c.List = ListID{Digest: number(t, k), Previous: number(t, k) - 1}
	}
	if d.HasArg("must") {
		c.Must = 1 << 31
	}
	if kinds := map[string]Kind{"fresh": Fresh, "continuation": Continuation, "renewal": Renewal}; len(args) > 3 {
		name = Name(args[3])
		epoch := number(t, option(d, "epoch", "1"))
		c.Entries = []ClaimEntry{{name, kinds[args[2]], Term{Epoch: epoch, Node: from.Node, ID: epoch}}}
	}
	c.State = NodeState{Node: from.Node, Start: from.Start, Seq: c.Counter, Quorate: !d.HasArg("lonely")}
	for _, v := range []Name{"v1", "v2"} {
		x := VIPState{Name: v, Clean: !d.HasArg("tainted")}
		if e := option(d, "continues", ""); e != "" {
			x.Served = Term{Epoch: number(t, e), Node: from.Node, ID: number(t, e)}
		}
		if d.HasArg("holds-"+string(v)) || len(c.Entries) == 1 && c.Entries[0].Name == v && c.Entries[0].Kind == Renewal {
			x.Role = Holding
		}
		if d.HasArg("down") {
			x.Standing = InstanceDown
		}
		c.State.VIPs = append(c.State.VIPs, x)
	}
	a, changed := b.v.claim(b.now, from.Node+".host"+from.Boot, c)
	b.v.heardFrom(b.now, from.Node)
	return b.answer(name, len(c.Entries) > 0, a) + b.write(changed) + "\n" + b.hinted()
}

// answer puts a voter's answer about one name into words.
func (b *booth) answer(name Name, asked bool, a Answer) string {
	out := "answered"
	e := AnswerEntry{Name: name, Refused: a.Refused} // as it was at first, if the answer does not list it
	i := slices.IndexFunc(a.Entries, func(e AnswerEntry) bool { return e.Name == name })
	if i >= 0 {
		e = a.Entries[i]
	}
	if asked && i >= 0 {
		out = e.Refused.String()
	}
	if e.Refused == Held && !e.Holding {
		out += fmt.Sprintf(" by candidate %s (above: %t)", e.Grantee, e.Above)
	} else if e.Grantee != "" && e.Refused != NotRefused {
		out += " by " + e.Grantee
	}
	if e.Refused != NotRefused {
		out += fmt.Sprintf(", %s left", max(e.Left, a.Left))
	}
	out += fmt.Sprintf(", last term %s", short(e.Last))
	if a.Other != "" {
		out += ", other host " + a.Other
	}
	return out + fmt.Sprintf(", newest %s", a.Newest)
}

func short(t Term) string {
	if !t.Known() {
		return "none"
	}
	return fmt.Sprintf("%d/%s", t.Epoch, t.Node)
}

// write is the file, written before the answer leaves.
func (b *booth) write(changed bool) string {
	if !changed {
		return ""
	}
	b.save()
	return ", written"
}

func (b *booth) hinted() string {
	var out strings.Builder
	for _, h := range b.v.hints(b.now, 6*time.Millisecond, -1<<40) {
		fmt.Fprintf(&out, "%s hints %s at %s", time.Duration(b.now-1), h.to, h.hint.Name)
		if h.hint.Tainted {
			out.WriteString(", tainted as it is")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (b *booth) claimant(t *testing.T, d *datadriven.TestData, args []string) Claimant {
	start, _, _ := strings.Cut(args[1], ".")
	return Claimant{Node: args[0], Boot: option(d, "boot", "1"), Start: number(t, start)}
}

func (b *booth) counter(t *testing.T, s string) uint64 {
	_, counter, _ := strings.Cut(s, ".")
	return number(t, counter)
}

func (b *booth) echo(d *datadriven.TestData) uint64 {
	switch option(d, "echo", "") {
	case "old":
		return b.v.incarnation - 1
	case "none":
		return 0
	}
	return b.v.incarnation
}

func option(d *datadriven.TestData, key, otherwise string) string {
	if v := words(d, key); len(v) == 1 {
		return v[0]
	}
	return otherwise
}

func number(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A voter's file may have been written by a node without a vote, or for other VIPs.
func TestVoterBeginsWithWhatItsFileHolds(t *testing.T) {
	config := func(names ...Name) Config {
		c := Config{Lease: 600 * time.Millisecond, DriftPPM: DefaultDriftPPM}
		for _, n := range names {
			c.VIPs = append(c.VIPs, VIP{Name: n})
		}
		return c
	}
	began := func(c Config, d Durable) *voter {
		return newVoter(c, "a", d, true, 1, &entropy{1}, func() ListID { return ListID{} })
	}

	promoted := began(config("v1"), Durable{Start: 4})
	if left, silent := promoted.silent(1); promoted.memory == 0 || !silent || left < LeaseMax {
		t.Errorf("one that had no vote: memory %d, silent for another %v; want one of its own, and %v", promoted.memory, left, LeaseMax)
	}
	list, other := []string{"a", "b", "c"}, []string{"b", "c", "d"}
	if before := began(config("v1"), Durable{Start: 4, Memory: 7, Voters: list}); before.memory != 7 || before.silentUntil > 1 {
		t.Errorf("one that had a vote: memory %d, silent until %v", before.memory, before.silentUntil)
	}
	back := began(config("v1"), Durable{Start: 4, Memory: 7, Voters: other, Slots: []SlotRecord{{Name: "v1", Last: Term{4, "b", 7}}}})
	if _, silent := back.silent(1); back.memory == 7 || !silent || back.slots["v1"].last.Known() {
		t.Errorf("one that was voted out: memory %d, silent %t, last term %v; want another, silence and none", back.memory, silent, back.slots["v1"].last)
	}

	granted := SlotRecord{Name: "v1", Last: Term{4, "b", 7}, Grant: Claimant{Node: "b", Boot: "b", Start: 1}, Length: int64(LeaseMax)}
	var between, after Durable
	began(config("v2"), Durable{Memory: 7, Voters: list, Slots: []SlotRecord{granted}}).keep(&between)
	between.Voters = list
	v := began(config("v1", "v2"), between)
	if s := v.slots["v1"]; !s.grant.given() || s.grant.to.Node != "b" || s.last != granted.Last {
		t.Errorf("a VIP that was away from the configuration for one life: %+v, want it granted to b", v.slots["v1"])
	}
	v.keep(&after)
	if n := len(after.Slots); n != 3 { // v1, v2 and the slot of hand-backs
		t.Errorf("%d slots are kept, want 3: %+v", n, after.Slots)
	}

	var later Durable
	absent := began(config("v2"), between)
	if absent.expire(2) || !absent.expire(Instant(2*LeaseMax)) {
		t.Error("the file is to be written once what was granted of a VIP that is away is over, and not before")
	}
	absent.keep(&later)
	later.Voters = list
	if s := began(config("v1", "v2"), later).slots["v1"]; s.grant.given() || s.last != granted.Last {
		t.Errorf("a VIP that was away for longer than any lease: %+v, want its last term and no grant: the holder may be another boot's", s)
	}
}

// A memory of 0 is that of no voter; whoever has it is noted all the same.
func TestConfirmNotesEveryVoter(t *testing.T) {
	l := &lease{term: Term{4, "a", 7}}
	if !l.confirm("b", 0, l.term) || l.confirm("b", 0, l.term) || len(l.confirmed) != 1 {
		t.Errorf("confirmed by %v, want b once", l.confirmed)
	}
}
