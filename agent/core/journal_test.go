package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWhatNobodyWaitsForIsSavedWithTheNext: a release is in the file soon, and with the claim that follows it if one does; it is
// confirmed only then (F9).
func TestWhatNobodyWaitsForIsSavedWithTheNext(t *testing.T) {
	const from = Instant(10 * time.Second) // the voter is silent before
	for name, follows := range map[string]bool{"alone": false, "a claim follows": true} {
		t.Run(name, func(t *testing.T) {
			m, _ := listener()
			for m.woke < from {
				save(m, m.Step(m.woke, Tick{}))
			}
			n2 := Claimant{"n2", "b2", 1}
			released := m.Step(from, Received{"n1", Release{
				From: Claimant{"n1", "b1", 1}, Counter: 1, Echo: m.voter.incarnation, Length: time.Second, Entries: []ReleaseEntry{{"v1", "n2"}},
			}})
			if saves, sent := saves(released), sends(released); saves != 0 || len(sent) != 1 || sent[0] != "n2" {
				t.Fatalf("%d saves, sent to %q; want the hint to n2 alone", saves, sent)
			}
			next := m.woke
			if follows {
				next = from.Add(saveWait / 2)
				out := m.Step(next, Received{"n2", Claim{
					From: n2, Counter: 1, Life: 1, Echo: m.voter.incarnation, Length: time.Second, List: m.lists.id(),
					Entries: []ClaimEntry{{"v1", Fresh, Term{1, "n2", 7}}}, State: NodeState{Node: "n2", Start: 1, Version: 1},
				}})
				if saves, sent := saves(out), sends(out); saves != 1 || len(sent) != 0 {
					t.Fatalf("with the claim: %d saves, sent to %q", saves, sent)
				}
			} else if out := m.Step(next, Tick{}); saves(out) != 1 || next > from.Add(saveWait) {
				t.Fatalf("after %s: %d saves", next.Sub(from), saves(out))
			}
			sent := sends(m.Step(next, StateSaved{Seq: m.journal.seq}))
			if want := map[bool]int{false: 1, true: 2}[follows]; len(sent) != want || sent[0] != "n1" {
				t.Errorf("saved: sent to %q, want %d, the confirmation to n1 first", sent, want)
			}
			if out := m.Step(next.Add(saveWait), Tick{}); saves(out) != 0 {
				t.Error("saved twice")
			}
		})
	}
}

// save tells the machine that what a step ordered saved is saved.
func save(m *Machine, out []Effect) {
	if saves(out) > 0 {
		m.Step(m.now, StateSaved{Seq: m.journal.seq})
	}
}

func saves(out []Effect) (n int) {
	for _, e := range out {
		if _, ok := e.(SaveState); ok {
			n++
		}
	}
	return n
}

// sends are the receivers of all but heartbeats.
func sends(out []Effect) (to []string) {
	for _, e := range out {
		s, ok := e.(Send)
		if c, claim := s.Msg.(Claim); ok && !(claim && len(c.Entries) == 0) {
			to = append(to, s.To)
		}
	}
	return to
}

// A proof of another instance address is void: the same process may have served the VIP by the present one since. What was
// served by it is kept, and may be continued.
func TestAProofByAnotherAddressIsForgotten(t *testing.T) {
	served := Term{Epoch: 2, Node: "a", ID: 7}
	before := Durable{Service: []ServiceRecord{
		{VIP: "v1", Instance: "mc", Proof: Proof{Incarnation: Incarnation{PID: 3, Start: 4}}, Over: served, LastTerm: served},
		{VIP: "v2", Instance: "mc", Served: served, Confirmed: map[string]uint64{"a": 1}},
	}}
	m := New(Config{
		Node: "a", Voters: []string{"a", "b", "c"}, Lease: leaseConfig.Lease, DriftPPM: DefaultDriftPPM, Margin: MarginMin,
		VIPs: []VIP{{Name: "v1", Home: "a", Instance: "other"}, {Name: "v2", Home: "a", Instance: "other"}},
	})
	m.Step(1, Started{Durable: before, Valid: true})
	want := []ServiceRecord{{VIP: "v1", Instance: "mc", LastTerm: served}, before.Service[1]}
	got := m.durable().Service
	slices.SortFunc(got, func(a, b ServiceRecord) int { return strings.Compare(string(a.VIP), string(b.VIP)) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records of service (-want +got):\n%s", diff)
	}
}
