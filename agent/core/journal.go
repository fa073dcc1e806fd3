package core

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// journal keeps the order between the state file and what depends on it: an answer leaves, and an
// address goes up, only after the state it rests on is in the file (F9).
type journal struct {
	dirty  bool    // the state differs from what was last sent to the file
	soon   Instant // it does, in what nobody waits for, and is sent then at the latest; zero: it does not
	seq    uint64  // newest state sent to the file
	saved  uint64  // newest state known to be in it
	gated  []gatedSend
	memory uint64
	err    string // why the last save failed; "" if it did not
	retry  Instant
}

// gatedSend is a message that must not leave before state seq is saved. Zero: the next one sent.
type gatedSend struct {
	seq uint64
	to  string
	msg Message
}

// send sends a message; one to the node itself is handled within this step.
func (m *Machine) send(to string, msg Message) {
	if to == m.cfg.Node {
		m.loop = append(m.loop, looped{msg})
		return
	}
	m.emit(Send{to, msg})
}

// sendSaved sends a message once the present state is in the file.
func (m *Machine) sendSaved(to string, msg Message) {
	m.journal.gated = append(m.journal.gated, gatedSend{to: to, msg: msg})
	if m.journal.err != "" || m.journal.soon != 0 {
		m.journal.dirty = true // try again, or no later, before anything depends on it
	}
}

// saveWait is how long a change may wait that nobody waits for: as long as others of the same failover come.
const saveWait = 2 * time.Millisecond

// saveSoon has the present state saved with the next change, or when saveWait is over.
func (m *Machine) saveSoon() {
	if j := &m.journal; !j.dirty && j.soon == 0 {
		j.soon = m.now.Add(saveWait)
	}
}

// pendingSave returns the number of the save that will hold the present state; 0 if it is in the file.
func (m *Machine) pendingSave() uint64 {
	switch j := &m.journal; {
	case j.dirty || j.soon != 0:
		return j.seq + 1
	case j.seq > j.saved:
		return j.seq
	}
	return 0
}

// settle orders a save if one is due and lets go what waits for none. It reports whether messages of
// the node to itself are left to handle.
func (m *Machine) settle() bool {
	j := &m.journal
	if j.retry != 0 && m.now >= j.retry {
		j.dirty, j.retry = true, 0
	}
	wait := m.pendingSave()
	if j.dirty || j.soon != 0 && m.now >= j.soon {
		j.dirty, j.soon = false, 0
		j.seq++
		m.emit(SaveState{j.seq, m.durable()})
	}
	for i := range j.gated {
		if j.gated[i].seq == 0 {
			j.gated[i].seq = wait
		}
	}
	m.ungate()
	return len(m.loop) > 0
}

// ungate sends what waits for a state that is saved.
func (m *Machine) ungate() {
	j := &m.journal
	j.gated = slices.DeleteFunc(j.gated, func(g gatedSend) bool {
		if g.seq > j.saved {
			return false
		}
		m.send(g.to, g.msg)
		return true
	})
}

// deliver handles the node's messages to itself.
func (m *Machine) deliver() {
	for i := 0; i < len(m.loop); i++ { // handling one may add more
		m.receive("", m.loop[i].msg)
	}
	clear(m.loop)
	m.loop = m.loop[:0]
}

// saved notes that a state is in the file.
func (m *Machine) saved(seq uint64) {
	j := &m.journal
	j.saved = max(j.saved, seq)
	if j.saved == j.seq && j.err != "" {
		m.emit(Transition{From: "disk_broken", To: "disk_ok", Cause: CauseDisk})
		j.err = ""
	}
	m.ungate()
	for _, l := range m.all {
		m.recordSaved(l)
	}
}

// saveFailed drops what rested on a state that did not reach the file: to the others it is a lost
// answer. The node takes no VIP until a save succeeds.
func (m *Machine) saveFailed(e SaveFailed) {
	j := &m.journal
	m.count("save_failed")
	if j.err == "" {
		m.emit(Transition{From: "disk_ok", To: "disk_broken", Cause: CauseDisk, Detail: e.Err})
	}
	j.err, j.retry = e.Err, m.now.Add(m.cfg.Lease/4)
	j.gated = slices.DeleteFunc(j.gated, func(g gatedSend) bool { return g.seq != 0 && g.seq <= e.Seq })
	for _, l := range m.all {
		m.recordLost(l, e.Seq)
	}
}

// wakeAt is when a failed save is tried again, or one that could wait is made.
func (j *journal) wakeAt() Instant { return min(set(j.retry), set(j.soon)) }

// durable returns the state to be kept.
func (m *Machine) durable() Durable {
	d := Durable{
		Boot: m.self.Boot, Start: m.self.Start, Memory: m.journal.memory,
		Voters: slices.Clone(m.lists.inForce), PreviousVoters: m.lists.previous, Draining: m.draining, Pause: m.pause,
	}
	if next := m.lists.next; next != nil {
		d.Voters, d.PreviousVoters = slices.Clone(next.voters), next.previous
	}
	if m.voter != nil {
		m.voter.keep(&d)
	}
	for _, r := range m.strangers {
		d.Service = append(d.Service, *r)
	}
	for _, v := range m.sites {
		if v.kept != nil {
			d.Service = append(d.Service, *v.kept)
		}
	}
	if m.keeping() {
		d.Kept = m.kept()
	}
	slices.SortFunc(d.Service, func(a, b ServiceRecord) int {
		return cmp.Or(cmp.Compare(a.VIP, b.VIP), cmp.Compare(a.Instance, b.Instance))
	})
	for i := range d.Service {
		d.Service[i].Confirmed = maps.Clone(d.Service[i].Confirmed)
	}
	return d
}
