package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timeline is one change of hands across the nodes that had a part in it.
type Timeline struct {
	VIP   string    `json:"vip"`
	From  string    `json:"from"` // the node that let it go; "" if none says that it did: its lease ran out
	To    string    `json:"to"`
	Epoch uint64    `json:"epoch"`
	Cause string    `json:"cause"` // why it was let go, or else why it was asked for; the set is core.Cause
	Time  time.Time `json:"time"`  // of the end, by the time of day of the node that took it
	Took  int64     `json:"took_us"`

	Path  []Span         `json:"path"`     // from the first step that is known to the first announcement, each after what it waited for
	Spent map[Kind]int64 `json:"spent_us"` // of the path, by what it was spent on
	All   []Span         `json:"all"`      // what the nodes did meanwhile, in order; Took is 0 where it is not on the path
}

// Span is a step on a node, and how long it took.
type Span struct {
	Node  string `json:"node"`
	Step  Step   `json:"step"`
	Kind  Kind   `json:"kind"`
	At    int64  `json:"at_us"`   // when it was done, from the path's first step on
	Took  int64  `json:"took_us"` // since what it waited for was done
	Peer  string `json:"peer,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// Text says in a few words what was done.
func (s Span) Text() string {
	words := steps[s.Step].words
	if strings.Contains(words, "%s") {
		return fmt.Sprintf(words, s.Peer)
	}
	return words
}

// walkMax is how long before a step the one may be that it waited for: two leases of the longest, and then some.
const walkMax = 15 * time.Second

// Assemble puts together the newest change of hands that ended with the holder, or with any node if holder is "", from
// what the nodes remember of one VIP. It returns nil if none is remembered.
func Assemble(journals []Journal, holder string) *Timeline {
	e := gather(journals)
	up, ok := e.newestUp(holder)
	if !ok {
		return nil
	}
	path := e.path(e.endOf(up))
	clocks := e.align(up)
	at := e.times(clocks)
	begin, end := at(path[0]), at(path[len(path)-1])
	taker := e.journals[up.journal]
	t := &Timeline{
		VIP: taker.VIP, To: taker.Node, Epoch: e.mark(up).Epoch, Time: taker.wall(e.mark(path[len(path)-1])),
		Took: end - begin, Spent: map[Kind]int64{},
	}
	span := func(p point, took int64) Span {
		m := e.mark(p)
		return Span{Node: e.journals[p.journal].Node, Step: m.Step, Kind: steps[m.Step].kind, At: at(p) - begin, Took: took, Peer: m.Peer, Cause: m.Cause}
	}
	spent := map[point]int64{}
	for i, p := range path {
		if i > 0 {
			spent[p] = max(0, at(p)-at(path[i-1]))
		}
		s := span(p, spent[p])
		t.Path = append(t.Path, s)
		t.Spent[s.Kind] += s.Took
		t.note(s)
	}
	for i, j := range journals {
		for k := range j.Marks {
			if p := (point{i, k}); at(p) >= begin && at(p) <= at(up) {
				t.All = append(t.All, span(p, spent[p]))
			}
		}
	}
	slices.SortStableFunc(t.All, func(a, b Span) int { return cmp.Compare(a.At, b.At) })
	return t
}

// times tells when a mark was made, by the reference's clock. What was heard had been sent by then, though the sender may have
// been kept from noting it.
func (e *evidence) times(clocks []int64) func(point) int64 {
	noted := func(p point) int64 { return e.mark(p).At + clocks[p.journal] }
	heard := map[point]int64{}
	for h, send := range e.sent {
		if first, known := heard[send]; !known || noted(h) < first {
			heard[send] = noted(h)
		}
	}
	return func(p point) int64 {
		if first, known := heard[p]; known {
			return min(noted(p), first)
		}
		return noted(p)
	}
}

// note takes who let it go, and why, from a step of the path.
func (t *Timeline) note(s Span) {
	switch {
	case s.Step == Decided:
		t.From, t.Cause = s.Node, s.Cause
	case s.Step == Asked && t.Cause == "":
		t.Cause = s.Cause
	}
}

// newestUp is when a node last knew that the address is up there.
func (e *evidence) newestUp(holder string) (up point, ok bool) {
	var newest time.Time
	for i, j := range e.journals {
		if holder != "" && j.Node != holder {
			continue
		}
		for k, m := range j.Marks {
			if at := j.wall(m); m.Step == Up && (!ok || at.After(newest)) {
				up, ok, newest = point{i, k}, true, at
			}
		}
	}
	return up, ok
}

// endOf is the first announcement of an address that is up, or that it is up if there was none.
func (e *evidence) endOf(up point) point {
	if p, ok := e.newestBefore(up, []Step{Announced}); ok {
		return p
	}
	return up
}

// path walks back from a step to what it waited for, and on to the first that is known, and returns it in order.
func (e *evidence) path(end point) []point {
	path := []point{end}
	walked := map[point]bool{end: true}
	for p, ok := e.before(end); ok && !walked[p]; p, ok = e.before(p) {
		path = append(path, p)
		walked[p] = true
	}
	slices.Reverse(path)
	return path
}

// before returns what a step waited for.
func (e *evidence) before(p point) (point, bool) {
	m := e.mark(p)
	s := steps[m.Step]
	switch {
	case s.from != "":
		if send, ok := e.sent[p]; ok {
			return send, true
		}
		if m.Step == AnswerHeard { // the voter does not say: then it is the whole round trip
			return e.question(p)
		}
		return point{}, false
	}
	led, ok := e.newestBefore(p, s.after)
	if ok && s.atOnce && e.mark(led).Event != m.Event {
		return point{}, false
	}
	return led, ok
}

// newestBefore finds the newest of some steps of the same node before one.
func (e *evidence) newestBefore(p point, wanted []Step) (point, bool) {
	marks := e.journals[p.journal].Marks
	for k := p.mark - 1; k >= 0; k-- {
		if slices.Contains(wanted, marks[k].Step) && marks[p.mark].At-marks[k].At <= walkMax.Microseconds() {
			return point{p.journal, k}, true
		}
	}
	return point{}, false
}

// question finds the claim that an answer is to.
func (e *evidence) question(p point) (point, bool) {
	answer := e.mark(p)
	marks := e.journals[p.journal].Marks
	for k := p.mark - 1; k >= 0; k-- {
		if m := marks[k]; m.Step == ClaimSent && m.Peer == answer.Peer && m.Number == answer.Number {
			return point{p.journal, k}, true
		}
	}
	return point{}, false
}
