package core

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// FuzzStepKeepsInvariants feeds one machine whatever events the input spells, authentic but absurd
// messages included: every step checks the invariants, and nothing may panic or ask to be woken in
// the past.
func FuzzStepKeepsInvariants(f *testing.F) {
	seeds := 0
	for seed := range 24 {
		b := make([]byte, 0, 4000)
		for i := range 500 {
			b = binary.BigEndian.AppendUint64(b, mix(uint64(seed*1000+i)))
		}
		f.Add(b)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seed corpus")
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		g := &absurd{script: script, now: 1}
		cfg := Config{
			Node: "a", Voters: []string{"a", "b", "c"}, Nodes: []string{"a", "b", "c"}, Lease: 600 * time.Millisecond,
			DriftPPM: DefaultDriftPPM, Margin: MarginMin,
			VIPs: []VIP{{Name: "v1", Home: "a", Instance: "mc", FailbackDelay: time.Millisecond}, {Name: "v2", Home: "b", Instance: "mc", CanRestart: true}},
		}
		m := New(cfg)
		g.effects(t, m.Step(g.now, Started{Boot: "boot", Entropy: 7, Valid: true}))
		for len(g.script) > 0 {
			g.now = g.now.Add(time.Duration(g.pick(200)) * time.Millisecond / 4)
			g.effects(t, m.Step(g.now, g.event()))
			m.Status(g.now)
		}
	})
}

// absurd spells events from bytes. It remembers what the machine ordered, so that results often fit.
type absurd struct {
	script []byte
	now    Instant
	seqs   []uint64
	sent   []Claim
	takes  []TakeAddress
	checks []CheckInstance
	flush  FlushInstance
}

func (g *absurd) pick(n int) int {
	if len(g.script) == 0 {
		return 0
	}
	x := int(g.script[0])
	g.script = g.script[1:]
	return x % n
}

func (g *absurd) effects(t *testing.T, effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case SaveState:
			g.seqs = append(g.seqs, e.Seq)
		case Send:
			if c, ok := e.Msg.(Claim); ok {
				g.sent = append(g.sent, c)
			}
		case TakeAddress:
			g.takes = append(g.takes, e)
		case CheckInstance:
			g.checks = append(g.checks, e)
		case FlushInstance:
			g.flush = e
		case WakeAt:
			if e.At <= g.now {
				t.Fatalf("at %s asks to be woken at %s", g.now, e.At)
			}
		case PublishState, ProlongAddress, DropAddress, AnnounceAddress, WatchQuiet, StopWatch, RestartInstance, Exit, Transition:
		default:
			t.Fatalf("unknown effect %T", e)
		}
	}
}

func (g *absurd) name() Name     { return []Name{"v1", "v2", HandbackSlot, "v9"}[g.pick(4)] }
func (g *absurd) node() string   { return []string{"a", "b", "c", "z"}[g.pick(4)] }
func (g *absurd) number() uint64 { return uint64(g.pick(12)) }
func (g *absurd) term() Term     { return Term{g.number(), g.node(), g.number()} }
func (g *absurd) proof() Proof {
	return Proof{Incarnation{g.pick(3), int64(g.pick(2))}, int64(g.pick(2)), g.number() % 3, g.pick(2) == 0}
}

// latest returns one of the newest few of what was ordered.
func latest[T any](g *absurd, all []T) (T, bool) {
	var none T
	if len(all) == 0 {
		return none, false
	}
	return all[len(all)-1-g.pick(min(3, len(all)))], true
}

func (g *absurd) event() Event {
	switch g.pick(24) {
	case 0:
		if seq, ok := latest(g, g.seqs); ok {
			return StateSaved{seq}
		}
	case 1:
		if seq, ok := latest(g, g.seqs); ok && g.pick(3) == 0 {
			return SaveFailed{seq, "full"}
		}
	case 2:
		return InstanceUp{Instance: "mc", Figures: g.proof(), Unprovable: []string{"", "", "-F"}[g.pick(3)]}
	case 3:
		return InstanceWentDown{"mc", "exited", g.pick(2) == 0}
	case 4:
		return InstanceQuiet{"mc"}
	case 5:
		return FlushDone{"mc", g.flush.Attempt - uint64(g.pick(2)), g.proof()}
	case 6:
		return FlushFailed{"mc", g.flush.Attempt, "no"}
	case 7:
		if c, ok := latest(g, g.checks); ok {
			return InstanceChecked{c.Instance, c.Name, c.Number, []Proof{c.Proof, g.proof()}[g.pick(2)], []string{"", "", "moved"}[g.pick(3)], g.pick(2) == 0}
		}
	case 8:
		if a, ok := latest(g, g.takes); ok {
			return AddressUp{a.Name, a.Term}
		}
	case 9:
		if a, ok := latest(g, g.takes); ok {
			return AddressFailed{a.Name, a.Term, "no"}
		}
	case 10:
		return AddressDown{Name: g.name(), Took: time.Millisecond, Err: []string{"", "", "busy"}[g.pick(3)]}
	case 11:
		switch g.pick(4) {
		case 0:
			return AddressGone{g.name()}
		case 1:
			return AddressRestored{g.name()}
		case 2:
			return AddressLost{Name: g.name(), Err: "no fence"}
		}
		return LinkChanged{g.name(), g.pick(3) > 0}
	case 12:
		return DrainRequested{g.pick(4) == 0}
	case 13, 14, 15:
		return Received{Source: fmt.Sprint(g.pick(3)), Msg: g.message()}
	case 16:
		return StateHeard{g.state()}
	case 17:
		if g.pick(64) == 0 {
			return StopRequested{Keep: g.pick(2) == 0}
		}
	case 18:
		return AddressSeen{g.name(), g.mac(), g.pick(3)}
	case 19:
		return MACsChanged{g.macs()}
	case 20:
		return MoveRequested{g.name(), g.node()}
	case 21:
		return PauseRequested{g.pick(2) == 0}
	case 22:
		return []Event{FlushRequested{"mc"}, HandbackRequested{g.name()}}[g.pick(2)]
	}
	return Tick{}
}

func (g *absurd) mac() string { return macOf(g.pick(90)) }

func (g *absurd) macs() []string {
	var macs []string
	for range g.pick(30) {
		macs = append(macs, g.mac())
	}
	return macs
}

func (g *absurd) state() NodeState {
	s := NodeState{Node: g.node(), Pause: Pause{g.number(), g.pick(2) == 0, g.node()}, Start: g.number(), Seq: g.number(), Quorate: g.pick(2) == 0, MACs: g.macs()}
	for range g.pick(4) {
		s.VIPs = append(s.VIPs, VIPState{Name: g.name(), Role: Role(g.pick(7)), Standing: Standing(g.pick(3)), Clean: g.pick(2) == 0, Served: g.term()})
	}
	return s
}

// message is an answer that fits a claim of the machine as often as not, or anything at all.
func (g *absurd) message() Message {
	switch g.pick(10) {
	case 0:
		return Release{From: Claimant{g.node(), "boot", g.number()}, Counter: g.number(), Echo: g.number(), Length: time.Duration(g.pick(9)) * time.Second, Entries: []ReleaseEntry{{g.name(), g.node()}}}
	case 1:
		return Hint{Voter: g.node(), Name: g.name(), Last: g.term(), By: []string{"", g.node()}[g.pick(2)], Tainted: g.pick(3) == 0}
	case 2:
		return Ask{From: g.node(), Name: g.name(), Final: g.pick(2) == 0, Proof: g.proof(), Over: g.term(), Served: g.term()}
	case 3:
		return AskReply{From: g.node(), Name: g.name(), Term: g.term(), Refused: AskRefusal(g.pick(9))}
	case 4:
		return []Message{Decline{From: g.node(), Name: g.name()}, StandBy{From: g.node(), Name: g.name()}}[g.pick(2)]
	case 5:
		return Ack{Voter: g.node(), Incarnation: g.number(), Request: Request{g.number(), g.number()}, Refused: Refusal(g.pick(12))}
	case 6:
		c := Claim{From: Claimant{g.node(), "boot", g.number()}, Counter: g.number(), Life: g.number(), Echo: g.number(), Length: time.Duration(g.pick(9)) * time.Second, State: g.state()}
		c.Entries = []ClaimEntry{{g.name(), Kind(g.pick(5)), g.term()}}
		return c
	}
	a := Answer{Voter: []string{"b", "c", "z"}[g.pick(3)], Incarnation: g.number() % 2, Memory: g.number() % 3, Refused: Refusal([]int{0, 0, 0, 0, 1, 2, 6, 7, 11}[g.pick(9)])}
	c, ok := latest(g, g.sent)
	if !ok {
		return a
	}
	a.Life, a.Request, a.List = c.Life, c.Request(), c.List
	for _, e := range c.Entries {
		x := AnswerEntry{Name: e.Name, Asked: true, Last: e.Term, Refused: Refusal([]int{0, 0, 0, 8, 9, 7, 13}[g.pick(7)]), Left: time.Duration(g.pick(700)) * time.Millisecond}
		if g.pick(4) == 0 {
			x.Last = g.term()
		}
		a.Entries = append(a.Entries, x)
	}
	if g.pick(3) == 0 {
		a.Entries = append(a.Entries, AnswerEntry{Name: g.name(), Asked: g.pick(2) == 0, Last: g.term(), Grantee: g.node(), Holding: true, Left: time.Second})
	}
	return a
}
