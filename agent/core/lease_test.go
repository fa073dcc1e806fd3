package core

import (
	"testing"
	"time"
)

var leaseConfig = Config{Lease: 600 * time.Millisecond, DriftPPM: DefaultDriftPPM, Margin: MarginMin}

// TestValidity: which answers of three voters make a lease, and until when (F2, F3, F7, F15).
func TestValidity(t *testing.T) {
	term, other := Term{Epoch: 2, Node: "a", ID: 7}, Term{Epoch: 3, Node: "b", ID: 9}
	full := leaseConfig.shrink(leaseConfig.Lease) - leaseConfig.Margin
	type answer struct {
		voter   string
		counter uint64
		last    Term
	}
	for _, c := range []struct {
		name    string
		kind    Kind
		answers []answer
		forget  uint64
		want    Instant
	}{
		{"one voter is no majority", Fresh, []answer{{"v1", 1, term}}, 0, 0},
		{"two grants of one request", Fresh, []answer{{"v1", 1, term}, {"v2", 1, term}}, 0, Instant(100).Add(full)},
		{"one voter twice is one", Fresh, []answer{{"v1", 1, term}, {"v1", 1, term}}, 0, 0},
		{"grants of two requests are no majority of one", Fresh, []answer{{"v1", 1, term}, {"v2", 2, term}}, 0, 0},
		{"a fresh term must be recorded by the majority", Fresh, []answer{{"v1", 1, term}, {"v2", 1, other}}, 0, 0},
		{"a third record makes up for one that is not", Fresh, []answer{{"v1", 1, term}, {"v2", 1, other}, {"v3", 1, term}}, 0, Instant(100).Add(full)},
		{"a renewal needs no record", Renewal, []answer{{"v1", 1, other}, {"v2", 1, other}}, 0, Instant(100).Add(full)},
		{"a later request counts from its own send", Renewal, []answer{{"v1", 1, term}, {"v2", 1, term}, {"v1", 2, term}, {"v3", 2, term}}, 0, Instant(200).Add(full)},
		{"a late answer to the older request still counts", Renewal, []answer{{"v1", 2, term}, {"v1", 1, term}, {"v3", 1, term}}, 0, Instant(100).Add(full)},
		{"nothing counts that was released", Renewal, []answer{{"v1", 1, term}, {"v2", 1, term}}, 1, 0},
		{"a request after the release counts", Renewal, []answer{{"v1", 2, term}, {"v2", 2, term}}, 1, Instant(200).Add(full)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &lease{name: "v1", term: term}
			l.ask(1, 100, leaseConfig.Lease, c.kind)
			if c.forget > 0 {
				l.forget(c.forget)
			}
			l.ask(2, 200, leaseConfig.Lease, c.kind)
			for _, a := range c.answers {
				l.count(a.voter, a.counter, granted{1, a.last})
			}
			if got := l.validity(leaseConfig, 3); got != c.want {
				t.Errorf("valid until %d, want %d", got, c.want)
			}
		})
	}
}

// TestContinuity: whose word lets a node go on with its last term (F8).
func TestContinuity(t *testing.T) {
	served, newer := Term{Epoch: 2, Node: "a", ID: 7}, Term{Epoch: 3, Node: "b", ID: 9}
	for _, c := range []struct {
		name      string
		confirmed map[string]uint64
		granted   map[string]granted
		want      continuity
	}{
		{"a majority that confirmed it still says so", map[string]uint64{"a": 1, "b": 1}, map[string]granted{"a": {1, served}, "b": {1, served}}, speaksFor},
		{"one of them has another memory", map[string]uint64{"a": 1, "b": 1}, map[string]granted{"a": {1, served}, "b": {2, served}}, ruledOut},
		{"one of them knows a newer term", map[string]uint64{"a": 1, "b": 1}, map[string]granted{"a": {1, served}, "b": {1, newer}}, ruledOut},
		{"one of them never confirmed it", map[string]uint64{"a": 1}, map[string]granted{"a": {1, served}, "b": {1, served}}, ruledOut},
		{"one of them knows nothing", map[string]uint64{"a": 1, "b": 1}, map[string]granted{"a": {1, served}, "b": {1, Term{}}}, ruledOut},
		{"the third may still tell", map[string]uint64{"a": 1, "b": 1, "c": 1}, map[string]granted{"a": {1, served}, "b": {2, served}}, unheard},
		{"the third cannot, it never confirmed", map[string]uint64{"a": 1, "b": 1}, map[string]granted{"a": {1, served}, "c": {1, served}}, unheard},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(Config{
				Node: "a", Voters: []string{"a", "b", "c"}, Lease: leaseConfig.Lease, DriftPPM: DefaultDriftPPM, Margin: MarginMin,
				VIPs: []VIP{{Name: "v1", Home: "a", Instance: "mc"}},
			})
			m.lists.inForce = m.cfg.Voters
			m.keepRecord(&ServiceRecord{VIP: "v1", Instance: "mc", Served: served, Confirmed: c.confirmed})
			l := m.leases["v1"]
			l.kind, l.term = Continuation, served
			l.ask(1, 100, leaseConfig.Lease, Continuation)
			for voter, g := range c.granted {
				l.count(voter, 1, g)
			}
			got := m.continuityOf(l)
			if len(c.granted) == 2 && c.want == ruledOut { // the third voter's word
				l.count("c", 1, granted{1, newer})
				got = m.continuityOf(l)
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
