package gossip

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"

	"memvip/agent/core"
)

// states holds the newest state of every node, this one included, as frames. What is new here is told
// on, a few times, by gossip; the whole collection travels in push/pull, so that late joiners learn
// of everybody from anybody.
type states struct {
	queue memberlist.TransmitLimitedQueue

	mu     sync.Mutex
	newest map[string]told
}

// told is a node's newest state.
type told struct {
	at    core.Request // (start, seq) of the state: its age
	frame []byte
}

// stateBroadcast is one state waiting to be told on. A newer one of the same node takes its place.
type stateBroadcast struct {
	node     string
	envelope []byte
}

// Invalidates is answered by Name: memberlist replaces broadcasts of one name.
func (b *stateBroadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(*stateBroadcast)
	return ok && o.node == b.node
}
func (b *stateBroadcast) Message() []byte { return b.envelope }
func (b *stateBroadcast) Finished()       {}
func (b *stateBroadcast) Name() string    { return b.node }

// offer takes a state in if it is newer than what is known, and queues it to be told on unless it is
// longer than limit. It reports whether the state was new. The frame is copied.
func (s *states) offer(st core.NodeState, frame []byte, limit int) bool {
	at := core.Request{Start: st.Start, Counter: st.Seq}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.newest[st.Node]; ok && at.Compare(known.at) <= 0 {
		return false
	}
	envelope := seal("", frame)
	s.newest[st.Node] = told{at: at, frame: envelope[1:]}
	if len(envelope) <= limit {
		s.queue.QueueBroadcast(&stateBroadcast{node: st.Node, envelope: envelope})
	}
	return true
}

// outdated reports whether what this node has told of itself, if anything, is older than a state of its own that others
// tell of.
func (s *states) outdated(st core.NodeState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, told := s.newest[st.Node]
	return !told || core.Request{Start: st.Start, Counter: st.Seq}.Compare(known.at) > 0
}

// all returns every node's newest frame, each behind its length, by node name.
func (s *states) all() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, node := range slices.Sorted(maps.Keys(s.newest)) {
		frame := s.newest[node].frame
		out = binary.AppendUvarint(out, uint64(len(frame)))
		out = append(out, frame...)
	}
	return out
}

// splitStates undoes all, without copying. What was whole before an error is returned beside it.
func splitStates(b []byte) ([][]byte, error) {
	var frames [][]byte
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		switch {
		case size <= 0 || n > uint64(len(b)-size):
			return frames, drop(DropShort, "collection of states ends early")
		case n > maxFrame:
			return frames, drop(DropOversize, "state of %d bytes, at most %d", n, maxFrame)
		case len(frames) == maxEntries:
			return frames, drop(DropTooMany, "more than %d states", maxEntries)
		}
		frames = append(frames, b[size:size+int(n)])
		b = b[size+int(n):]
	}
	return frames, nil
}
