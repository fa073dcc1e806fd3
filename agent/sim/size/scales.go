package size

import (
	"fmt"
	"time"

	"memvip/agent/core"
	"memvip/agent/gossip"
)

// sampleEvery is how often a message of one kind is really written and read, by the codec that ships. The others of
// its kind count as that one.
const sampleEvery = 64

// scales weigh messages.
type scales struct {
	kinds map[string]*weighed
}

// weighed is what the newest sample of one kind showed.
type weighed struct {
	seen  int
	bytes int
	codec Steps // of all samples: what writing and reading took of a real processor
	err   error // why the newest could not be written
}

func (s *scales) message(m core.Message) int {
	return s.sample(fmt.Sprintf("%T", m), func() ([]byte, error) { return gossip.Encode(m) })
}

func (s *scales) state(st core.NodeState) int {
	return s.sample("state", func() ([]byte, error) { return gossip.EncodeState(st) })
}

// sample writes and reads one message of many. One that cannot be written weighs nothing.
func (s *scales) sample(kind string, write func() ([]byte, error)) int {
	w := s.kinds[kind]
	if w == nil {
		if s.kinds == nil {
			s.kinds = map[string]*weighed{}
		}
		w = &weighed{}
		s.kinds[kind] = w
	}
	w.seen++
	if w.seen%sampleEvery != 1 {
		return w.bytes
	}
	before := threadTime()
	frame, err := write()
	if err == nil {
		_, err = gossip.Decode(frame)
	}
	w.codec.add(threadTime() - before)
	w.bytes, w.err = len(frame), err
	return w.bytes
}

// took is what a message of a kind takes to be written and read, together.
func (s *scales) took(kind string) time.Duration {
	if w := s.kinds[kind]; w != nil {
		return w.codec.Mean()
	}
	return 0
}

// trouble is why messages of some kind cannot be written; nil if all can.
func (s *scales) trouble() error {
	for _, w := range s.kinds {
		if w.err != nil {
			return w.err
		}
	}
	return nil
}
