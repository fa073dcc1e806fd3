package trace

import (
	"slices"
	"time"

	"memvip/agent/core"
)

// Mark is a step that was done.
type Mark struct {
	At   int64 `json:"at_us"` // microseconds of the node's CLOCK_BOOTTIME
	Step Step  `json:"step"`
	// Peer is the other node of a message.
	Peer string `json:"peer,omitempty"`
	// Number tells the messages between two nodes apart: that of a request, or a hint's epoch.
	Number uint64 `json:"number,omitempty"`
	Epoch  uint64 `json:"epoch,omitempty"` // of what was decided, won or put up
	Cause  string `json:"cause,omitempty"` // why it was decided; the set is core.Cause
	Event  uint64 `json:"event,omitempty"` // the steps that the machine took for one event have one number; 0: a worker's step
}

// Journal is what one node remembers of one VIP's changes of hands, and its clocks when it was asked.
type Journal struct {
	Node  string    `json:"node"`
	VIP   string    `json:"vip"`
	Clock string    `json:"clock"`  // names the clock: nodes of one kernel have one
	Now   int64     `json:"now_us"` // by that clock
	Wall  time.Time `json:"time"`   // at that moment, by the time of day
	Marks []Mark    `json:"marks"`  // in the order in which they were made
}

// marksMax bounds what is kept of each VIP: some four changes of hands on a node that has every part in them. A
// mark has some 80 bytes, so 1,000 VIPs that all went through as much cost 8 MB.
const marksMax = 96

// stream is one VIP's marks, and what the next of them depends on.
type stream struct {
	marks []Mark
	busy  bool // its address is on its way up or down
}

func (s *stream) add(m Mark) {
	if len(s.marks) == marksMax {
		s.marks = slices.Delete(s.marks, 0, marksMax/4) // a quarter at a time: not with every mark
	}
	s.marks = append(s.marks, m)
}

// again notes a step that repeats the newest one, message and all, by its time alone: a voter that names a candidate
// in vain, four times in a lease, must not push out all else.
func (s *stream) again(m Mark, alone int) bool {
	i := len(s.marks) - alone
	if i < 0 || s.marks[i].Step != m.Step || s.marks[i].Peer != m.Peer || s.marks[i].Number != m.Number {
		return false
	}
	s.marks[i].At = m.At
	return true
}

// last is the newest mark; zero if there is none.
func (s *stream) last() Mark {
	if len(s.marks) == 0 {
		return Mark{}
	}
	return s.marks[len(s.marks)-1]
}

func micros(at core.Instant) int64 { return int64(at) / int64(time.Microsecond) }
