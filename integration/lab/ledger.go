package lab

import "fmt"

// A ledger knows what a client may legally read through one VIP. It hands out writes and reads over
// a fixed number of slots and judges what comes back.
//
// Rules, which together leave no doubt about a stale value:
//   - each key has one writer, whose writes carry increasing versions; a key's next write starts only
//     when its last one ended. A delete is a write too.
//   - a write that failed may still happen, now or at any later time. Its key is retired: never
//     written again, never read again, and the slot goes on with a new key.
//   - a read is stale if it returns a version older than the newest write that was acknowledged
//     before the read was sent. A miss is always legal.
//
// During an outage every write fails, so an outage could burn every key and leave nothing to compare
// with afterwards. Hence the limit on writes under way, and the preference for keys that were never
// acknowledged: an outage burns at most writesMax keys however long it lasts.
type ledger struct {
	prefix    string
	slots     []slot
	writesMax int
	writing   int
	fresh     int // slots whose key has no acknowledged write
	writeNext int
	readNext  int
	keysMade  uint64
	writes    uint64
}

type slot struct {
	key     string
	gen     uint32 // counts the keys this slot has had
	issued  uint64 // newest version handed out
	acked   uint64 // newest version acknowledged; Invariant: acked <= issued
	writing bool   // a write is under way; Invariant: then nobody else writes this key
}

// deleteEvery is how many writes there are for each that is a delete.
const deleteEvery = 16

// write is one write under way.
type write struct {
	slot    int
	gen     uint32
	key     string
	version uint64
	delete  bool
}

// read is one read under way.
type read struct {
	slot  int
	gen   uint32
	key   string
	floor uint64 // the newest version acknowledged before the read was sent
}

// verdict is what a ledger says of one read.
type verdict uint8

const (
	// verdictMiss: the key was not there, which is always allowed.
	verdictMiss verdict = iota
	// verdictCurrent: the newest acknowledged version, or a newer one.
	verdictCurrent
	// verdictStale: a version older than the newest acknowledged write.
	verdictStale
	// verdictAlien: a value that this ledger never wrote to this key.
	verdictAlien
)

func (v verdict) String() string {
	switch v {
	case verdictMiss:
		return "miss"
	case verdictCurrent:
		return "current"
	case verdictStale:
		return "stale"
	case verdictAlien:
		return "alien"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

func newLedger(prefix string, slots, writesMax int) *ledger {
	l := &ledger{prefix: prefix, slots: make([]slot, slots), writesMax: writesMax, fresh: slots}
	l.readNext = slots / 2 // reads run ahead of writes, so that old values are met before they are overwritten
	for i := range l.slots {
		l.slots[i].key = l.newKey()
	}
	return l
}

func (l *ledger) newKey() string {
	l.keysMade++
	return fmt.Sprintf("%s-%d", l.prefix, l.keysMade)
}

// nextWrite starts a write, or reports false if enough are under way.
func (l *ledger) nextWrite() (write, bool) {
	if l.writing >= l.writesMax {
		return write{}, false
	}
	i := l.slotToWrite()
	if i < 0 {
		return write{}, false
	}
	l.writes++
	l.writing++
	l.writeNext = (i + 1) % len(l.slots)
	s := &l.slots[i]
	s.issued++
	s.writing = true
	return write{slot: i, gen: s.gen, key: s.key, version: s.issued, delete: l.writes%deleteEvery == 0}, true
}

func (l *ledger) slotToWrite() int {
	free := -1
	for n := range l.slots {
		i := (l.writeNext + n) % len(l.slots)
		if l.slots[i].writing {
			continue
		}
		if l.fresh == 0 || l.slots[i].acked == 0 {
			return i
		}
		if free < 0 {
			free = i
		}
	}
	return free
}

// acknowledged ends a write that the server confirmed.
func (l *ledger) acknowledged(w write) {
	s := &l.slots[w.slot]
	l.writing--
	s.writing = false
	if s.acked == 0 {
		l.fresh--
	}
	s.acked = w.version
}

// uncertain ends a write that may or may not happen: its key is retired.
func (l *ledger) uncertain(w write) {
	s := &l.slots[w.slot]
	l.writing--
	if s.acked != 0 {
		l.fresh++
	}
	*s = slot{key: l.newKey(), gen: s.gen + 1}
}

// nextRead starts a read.
func (l *ledger) nextRead() read {
	i := l.readNext
	l.readNext = (i + 1) % len(l.slots)
	s := &l.slots[i]
	return read{slot: i, gen: s.gen, key: s.key, floor: s.acked}
}

// judge ends a read that returned a version, or nothing.
func (l *ledger) judge(r read, found bool, version uint64) verdict {
	s := &l.slots[r.slot]
	switch {
	case !found:
		return verdictMiss
	case version < r.floor:
		return verdictStale
	case version == 0 || s.gen == r.gen && version > s.issued:
		return verdictAlien
	}
	return verdictCurrent
}
