package trace

import "time"

// point is a mark of one of several journals.
type point struct{ journal, mark int }

// evidence is several nodes' journals of one VIP, and which marks are of one message.
type evidence struct {
	journals []Journal
	of       map[string]int  // the journal of a node
	sent     map[point]point // of the mark that a message was heard: that it was sent
}

func gather(journals []Journal) *evidence {
	e := &evidence{journals: journals, of: map[string]int{}, sent: map[point]point{}}
	for i, j := range journals {
		e.of[j.Node] = i
	}
	for i, j := range journals {
		for k, m := range j.Marks {
			if send, ok := e.match(j, m); ok {
				e.sent[point{i, k}] = send
			}
		}
	}
	return e
}

func (e *evidence) mark(p point) Mark { return e.journals[p.journal].Marks[p.mark] }

// match finds where a message was sent that a mark tells was heard. Of several with one number, which are repeated
// ones, it is the one nearest by the time of day.
func (e *evidence) match(j Journal, heard Mark) (send point, ok bool) {
	from := steps[heard.Step].from
	i, known := e.of[heard.Peer]
	if from == "" || !known {
		return point{}, false
	}
	other := e.journals[i]
	best := time.Duration(0)
	for k, m := range other.Marks {
		if m.Step != from || m.Peer != j.Node || m.Number != heard.Number {
			continue
		}
		if apart := j.wall(heard).Sub(other.wall(m)).Abs(); !ok || apart < best {
			send, ok, best = point{i, k}, true, apart
		}
	}
	return send, ok
}

// wall is when a mark was made, by the node's time of day.
func (j Journal) wall(m Mark) time.Time {
	return j.Wall.Add(time.Duration(m.At-j.Now) * time.Microsecond)
}

// alignReach is how far from the end of a change of hands messages tell of its clocks: for longer, their rates would
// have to be known.
const alignReach = 2 * time.Second

// align returns what is to be added to each journal's clock to have the reference's. A message was heard after it was
// sent: those of both ways between two nodes bound how far apart their clocks are, and the middle is taken. Where
// messages went one way only, or none did, it is the time of day that says.
func (e *evidence) align(reference point) []int64 {
	offsets := make([]int64, len(e.journals))
	aligned := make([]bool, len(e.journals))
	aligned[reference.journal] = true
	base := e.journals[reference.journal]
	for i, j := range e.journals {
		if j.Clock == base.Clock && j.Clock != "" {
			aligned[i] = true
		}
	}
	for range e.journals {
		next, bound := e.bestBound(aligned, offsets, e.mark(reference).At)
		if next < 0 {
			break
		}
		offsets[next], aligned[next] = bound.offset(e.journals[next].wallOffset(base)), true
	}
	for i, done := range aligned {
		if !done {
			offsets[i] = e.journals[i].wallOffset(base)
		}
	}
	return offsets
}

// wallOffset is what the times of day say of how far two clocks are apart.
func (j Journal) wallOffset(base Journal) int64 {
	return base.Now - j.Now + j.Wall.Sub(base.Wall).Microseconds()
}

// bound is what messages say of a clock's offset.
type bound struct {
	least, most       int64
	hasLeast, hasMost bool
}

func (b bound) known() bool { return b.hasLeast || b.hasMost }

func (b bound) offset(wall int64) int64 {
	switch {
	case b.hasLeast && b.hasMost:
		return (b.least + b.most) / 2
	case b.hasLeast:
		return max(wall, b.least)
	case b.hasMost:
		return min(wall, b.most)
	}
	return wall
}

// bestBound returns the journal that messages say most of, of those not yet aligned: both ways before one. -1 if there
// is none. at is the moment, by the reference's clock, near which messages count.
func (e *evidence) bestBound(aligned []bool, offsets []int64, at int64) (next int, best bound) {
	next = -1
	for i := range e.journals {
		if aligned[i] {
			continue
		}
		b := e.boundOf(i, aligned, offsets, at)
		if b.known() && (next < 0 || b.hasLeast && b.hasMost && !(best.hasLeast && best.hasMost)) {
			next, best = i, b
		}
	}
	return next, best
}

func (e *evidence) boundOf(i int, aligned []bool, offsets []int64, at int64) bound {
	var b bound
	for heard, send := range e.sent {
		h, s := e.mark(heard).At, e.mark(send).At
		switch {
		case heard.journal == i && aligned[send.journal]:
			s += offsets[send.journal]
			if least := s - h; near(s, at) && (!b.hasLeast || least > b.least) {
				b.least, b.hasLeast = least, true
			}
		case send.journal == i && aligned[heard.journal]:
			h += offsets[heard.journal]
			if most := h - s; near(h, at) && (!b.hasMost || most < b.most) {
				b.most, b.hasMost = most, true
			}
		}
	}
	return b
}

func near(a, b int64) bool { return max(a-b, b-a) <= alignReach.Microseconds() }
