package lab

import (
	"fmt"
	"net/netip"
	"sort"
	"time"
)

// Outage is what one fault cost the clients of one VIP, as one client saw it.
type Outage struct {
	VIP          netip.Addr
	Since, Until Instant
	From         string // who answered before Since; "" if nobody ever had
	To           string // the first other host to answer after Since; "" if none did

	// Gap is the longest time without any answer that touches [Since, Until], last success to first
	// success. It is what the client lost.
	Gap time.Duration
	// GapStart is the last success before that gap.
	GapStart Instant
	// GapOpen says that nothing had answered yet by Until, so that Gap is only a lower bound.
	GapOpen bool

	// Moved is the time from Since to To's first answer; meaningful only if To is not "".
	Moved time.Duration

	// Failed counts the attempts begun within [Since, Until] that failed.
	Failed int

	// Turns counts answers from a host other than To to requests sent after To's first answer: two
	// hosts in turns. TurnsFor is how long that went on, counted from To's first answer. Both
	// suppose that at most one rightful move lies within [Since, Until].
	Turns    int
	TurnsFor time.Duration

	Stale int // stale reads within [Since, Until]
}

func (o Outage) String() string {
	gap := fmt.Sprintf("gap %.1f ms", ms(o.Gap))
	if o.GapOpen {
		gap += " and counting"
	}
	move := "still " + quoteHost(o.From)
	if o.To != "" {
		move = fmt.Sprintf("%s to %s after %.1f ms", quoteHost(o.From), o.To, ms(o.Moved))
	}
	return fmt.Sprintf("%s: %s, %s, %d failed, %d answers in turns (%.1f ms), %d stale", o.VIP, move, gap, o.Failed, o.Turns, ms(o.TurnsFor), o.Stale)
}

func quoteHost(h string) string {
	if h == "" {
		return "nobody"
	}
	return h
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Outage measures what happened to one VIP within [since, until].
func (r *Record) Outage(vip netip.Addr, since, until Instant) Outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.at(vip)
	o := measure(p.answers, r.host, since, until)
	o.VIP = vip
	for _, f := range p.failed {
		if f.Begun >= since && f.Begun <= until {
			o.Failed++
		}
	}
	for _, s := range p.stale {
		if s.At >= since && s.At <= until {
			o.Stale++
		}
	}
	return o
}

// measure does the arithmetic of Outage over answers ordered by At.
func measure(answers []Answer, host func(int32) string, since, until Instant) Outage {
	o := Outage{Since: since, Until: until}
	first := sort.Search(len(answers), func(i int) bool { return answers[i].At > since })
	end := sort.Search(len(answers), func(i int) bool { return answers[i].At > until })
	previous := since
	if first > 0 {
		previous = answers[first-1].At
		o.From = host(answers[first-1].server)
	}
	var newSince Instant
	widen := func(to Instant, open bool) {
		if gap := to.Sub(previous); gap > o.Gap {
			o.Gap, o.GapStart, o.GapOpen = gap, previous, open
		}
	}
	for _, a := range answers[first:end] {
		widen(a.At, false)
		previous = a.At
		switch h := host(a.server); {
		case o.To == "" && h != o.From:
			o.To, newSince, o.Moved = h, a.At, a.At.Sub(since)
		case o.To != "" && h != o.To && a.Sent > newSince:
			o.Turns++
			o.TurnsFor = a.At.Sub(newSince)
		}
	}
	widen(until, true)
	return o
}

// Turn is a stretch during which one host gave every answer.
type Turn struct {
	Host        string
	First, Last Instant
	Answers     int
}

// Turns tells who answered through a VIP within [since, until], in order.
func (r *Record) Turns(vip netip.Addr, since, until Instant) []Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	var turns []Turn
	for _, a := range r.at(vip).answers {
		if a.At < since || a.At > until {
			continue
		}
		if h := r.host(a.server); len(turns) == 0 || turns[len(turns)-1].Host != h {
			turns = append(turns, Turn{Host: h, First: a.At})
		}
		t := &turns[len(turns)-1]
		t.Last = a.At
		t.Answers++
	}
	return turns
}
