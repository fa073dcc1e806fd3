package clients

// A Tracker follows the connections of one VIP that this node holds, from one look at the kernel's table to the next.
// A connection is listed once two looks in a row have seen it: one that comes and goes in between is not worth telling.
// A listed one stays so until it is gone; while Max are listed no other is.
//
// The zero value has seen nothing.
type Tracker struct {
	look   uint64 // number of the look that goes on, or was last
	known  map[Conn]*seen
	listed int // of known
	over   int // connections that the last look saw and the list had no room for
}

// seen is what is known of a connection.
type seen struct {
	first, last uint64 // looks that saw it
	listed      bool
}

// knownMax bounds what is remembered: as many may be listed as wait for that.
const knownMax = 2 * Max

// Begin begins a look. One that comes to nothing is not ended; the next may begin all the same.
func (t *Tracker) Begin() {
	if t.known == nil {
		t.known = map[Conn]*seen{}
	}
	t.look++
	t.over = 0
}

// See is told of every connection that the look sees, of some perhaps twice.
func (t *Tracker) See(c Conn) {
	switch s := t.known[c]; {
	case s != nil:
		s.last = t.look
	case len(t.known) < knownMax:
		t.known[c] = &seen{first: t.look, last: t.look}
	default:
		t.over++
	}
}

// End ends the look, and reports whether the list has connections that it had not before. That some are gone is no news.
func (t *Tracker) End() (news bool) {
	var waiting []Conn
	for c, s := range t.known {
		switch {
		case s.last != t.look:
			if s.listed {
				t.listed--
			}
			delete(t.known, c)
		case !s.listed && s.first != t.look:
			waiting = append(waiting, c)
		}
	}
	for _, c := range sorted(waiting) {
		if t.listed == Max {
			t.over++
			continue
		}
		t.known[c].listed = true
		t.listed++
		news = true
	}
	return news
}

// Fresh reports whether the last look saw a connection that the one before had not.
func (t *Tracker) Fresh() bool {
	for _, s := range t.known {
		if s.first == t.look {
			return true
		}
	}
	return false
}

// List returns the connections that are listed, in one order, and how many had no room.
func (t *Tracker) List() (list []Conn, over int) {
	for c, s := range t.known {
		if s.listed {
			list = append(list, c)
		}
	}
	return sorted(list), t.over
}
