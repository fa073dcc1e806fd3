package health

import (
	"math/rand/v2"
	"testing"
	"time"
)

// twin is a dumb Judge: it remembers everything it was ever told and reads all of it again to answer each question.
type twin struct {
	fall, rise, workers int

	verdict Verdict
	told    []Observation
	falls   []fallAt // every decision, or repeated decision, for down
	rose    int      // len(told) when it last went up
}

type fallAt struct {
	told   int // len(told) when it was decided
	kind   Kind
	reason Reason
}

// sinceFall returns what was told of one kind since the last decision for down.
func (w *twin) sinceFall(kind Kind) []Observation {
	from := 0
	if n := len(w.falls); n > 0 {
		from = w.falls[n-1].told
	}
	var list []Observation
	for _, o := range w.told[from:] {
		if o.Kind == kind {
			list = append(list, o)
		}
	}
	return list
}

func (w *twin) keptMisses() (n int) {
	for _, o := range w.sinceFall(KeptOpen) {
		switch o.Outcome {
		case Answered, AnsweredFull, AnsweredLogin:
			n = 0
		case Lost, Refused:
		default:
			n++
		}
	}
	return n
}

func (w *twin) keptGoods() (n int) {
	for _, o := range w.sinceFall(KeptOpen) {
		if o.Outcome.alive() {
			n++
		} else {
			n = 0
		}
	}
	return n
}

func (w *twin) freshGoods() (n int) {
	for _, o := range w.sinceFall(Fresh) {
		switch o.Outcome {
		case Answered, AnsweredFull, AnsweredLogin:
			n++
		case TimedOut, Ended, BadReply:
			n = 0
		}
	}
	return n
}

func (w *twin) freshBads() (n int) {
	for _, o := range w.sinceFall(Fresh) {
		switch o.Outcome {
		case Answered, AnsweredFull, AnsweredLogin, TimedOut:
			n = 0
		case Ended, BadReply:
			n++
		}
	}
	return n
}

// overdue replays all fresh connections since the process was last said to be gone.
func (w *twin) overdue() (n int, newest time.Time) {
	goods := 0
	nextFall := 0
	for i, o := range w.told {
		for nextFall < len(w.falls) && w.falls[nextFall].told == i {
			goods = 0
			if w.falls[nextFall].reason.gone() {
				n = 0
			}
			nextFall++
		}
		if o.Kind != Fresh {
			continue
		}
		switch o.Outcome {
		case TimedOut:
			n, goods, newest = n+1, 0, o.At
		case Settled:
			n = max(n-1, 0)
		case Ended, BadReply:
			goods = 0
		case Answered, AnsweredFull, AnsweredLogin:
			if goods++; goods >= clearFactor*w.workers {
				n = 0
			}
		}
	}
	for ; nextFall < len(w.falls); nextFall++ {
		if w.falls[nextFall].reason.gone() {
			n = 0
		}
	}
	return n, newest
}

// freshWant replays what fresh connections have to show, from the decisions since it was last up.
func (w *twin) freshWant() (n int) {
	for _, f := range w.falls {
		if f.told <= w.rose {
			continue
		}
		if f.reason.gone() {
			n = 0
		}
		if f.reason == ReasonWorkerStuck {
			n = w.rise * w.workers
		} else if f.kind == Fresh {
			n = max(n, w.rise)
		}
	}
	return n
}

func (w *twin) note() Reason {
	kept, fresh := ReasonNone, ReasonNone
	for _, o := range w.sinceFall(KeptOpen) {
		if o.Outcome.alive() {
			kept = o.Outcome.reason()
		}
	}
	for _, o := range w.sinceFall(Fresh) {
		if o.Outcome.alive() {
			fresh = o.Outcome.reason()
		}
	}
	if kept != ReasonNone {
		return kept
	}
	return fresh
}

func (w *twin) lostBefore() (lost bool) {
	for _, o := range w.sinceFall(KeptOpen) {
		if o.Outcome.alive() {
			lost = false
		}
		if o.Outcome == Lost {
			lost = true
		}
	}
	return lost
}

// down returns the reason for which the newest observation means down, if it does.
func (w *twin) down(o Observation) (Reason, bool) {
	overdue, newest := w.overdue()
	switch {
	case o.Kind == Process:
		return o.Outcome.reason(), true
	case o.Outcome == Refused && o.Kind == KeptOpen && w.lostBefore():
		return ReasonClosed, true
	case o.Outcome == Refused:
		return ReasonRefused, true
	case o.Kind == KeptOpen && o.Outcome.alive():
		stuck := w.verdict.State != Down && overdue >= w.fall && !o.Sent.Before(newest)
		return ReasonWorkerStuck, stuck
	case o.Kind == KeptOpen && o.Outcome != Lost:
		return o.Outcome.reason(), w.keptMisses() >= w.fall
	case o.Kind == Fresh && (o.Outcome == Ended || o.Outcome == BadReply):
		return o.Outcome.reason(), w.freshBads() >= w.fall
	}
	return ReasonNone, false
}

func (w *twin) up() bool {
	overdue, _ := w.overdue()
	switch w.verdict.State {
	case Unknown:
		return w.keptGoods() > 0
	case Down:
		if want := w.freshWant(); want > 0 && (overdue > 0 || w.freshGoods() < want) {
			return false
		}
		return w.keptGoods() >= w.rise && overdue < w.fall
	}
	return false
}

// answeredSinceDown tells whether the kept-open connection was answered since it went down.
func (w *twin) answeredSinceDown() bool {
	for _, f := range w.falls {
		if f.told <= w.rose {
			continue
		}
		for _, o := range w.told[f.told:] {
			if o.Kind == KeptOpen && o.Outcome.alive() {
				return true
			}
		}
		return false
	}
	return false
}

func (w *twin) observe(o Observation) ChangeKind {
	sticky := w.verdict.State == Down && w.verdict.Reason.gone() && !w.answeredSinceDown()
	w.told = append(w.told, o)
	if reason, ok := w.down(o); ok {
		w.falls = append(w.falls, fallAt{told: len(w.told), kind: o.Kind, reason: reason})
		switch {
		case w.verdict.State != Down:
			w.verdict = Verdict{State: Down, Reason: reason, Since: o.At}
			return WentDown
		case sticky || reason == w.verdict.Reason:
			return NoChange
		}
		w.verdict.Reason = reason
		return Noted
	}
	if o.Kind == Process || !o.Outcome.alive() {
		return NoChange
	}
	if w.up() {
		w.rose = len(w.told)
		w.verdict = Verdict{State: Up, Reason: w.note(), Since: o.At}
		return WentUp
	}
	if w.verdict.State == Up && w.verdict.Reason != w.note() {
		w.verdict.Reason = w.note()
		return Noted
	}
	return NoChange
}

// TestJudgeAndTwinAgree feeds both the same random stories. Most stories stay with one outcome for a while, so that
// long rows happen.
func TestJudgeAndTwinAgree(t *testing.T) {
	changes := make(map[string]int)
	for seed := range uint64(400) {
		twinStory(t, seed, changes)
	}
	for r := ReasonNone; r <= ReasonLogin; r++ {
		if changes[r.String()] == 0 {
			t.Errorf("no story reached reason %v", r)
		}
	}
	for c := NoChange; c <= Noted; c++ {
		if changes[c.String()] == 0 {
			t.Errorf("no story made the change %v", c)
		}
	}
}

func twinStory(t *testing.T, seed uint64, changes map[string]int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	j := NewJudge(1+r.IntN(3), 1+r.IntN(3))
	j.SetWorkers(1 + r.IntN(3))
	w := &twin{fall: j.fall, rise: j.rise, workers: j.workers}
	at := epoch
	o := Observation{}
	var story []Observation
	for range 120 {
		at = at.Add(time.Duration(r.IntN(100)) * time.Millisecond)
		if r.IntN(4) == 0 {
			o = randomObservation(r)
		}
		o.At, o.Sent = at, at.Add(-time.Duration(r.IntN(300))*time.Millisecond)
		got, want := j.Observe(o), w.observe(o)
		overdue, _ := w.overdue()
		story = append(story, o)
		changes[got.String()]++
		changes[j.Verdict().Reason.String()]++
		if got != want || j.Verdict() != w.verdict || j.Overdue() != overdue {
			t.Fatalf("seed %d: judge says %v %v overdue=%d, twin %v %v overdue=%d after\n%v",
				seed, got, j.Verdict(), j.Overdue(), want, w.verdict, overdue, story)
		}
	}
}

func randomObservation(r *rand.Rand) Observation {
	kept := []Outcome{Answered, Answered, Answered, AnsweredFull, AnsweredLogin, TimedOut, Refused, Lost, Ended, BadReply, NoRoute, IOFailed}
	fresh := []Outcome{Answered, Answered, Answered, AnsweredFull, AnsweredLogin, TimedOut, TimedOut, Settled, Refused, Ended, BadReply, NoRoute, IOFailed}
	switch n := r.IntN(20); {
	case n == 0:
		return Observation{Kind: Process, Outcome: Exited + Outcome(r.IntN(2))}
	case n < 11:
		return Observation{Kind: KeptOpen, Outcome: kept[r.IntN(len(kept))]}
	default:
		return Observation{Kind: Fresh, Outcome: fresh[r.IntN(len(fresh))]}
	}
}
