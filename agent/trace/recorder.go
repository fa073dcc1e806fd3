package trace

import (
	"slices"
	"sync"
	"time"

	"memvip/agent/core"
)

// Options say whose marks a Recorder keeps.
type Options struct {
	Node  string
	Clock func() core.Instant  // the node's CLOCK_BOOTTIME
	Name  string               // of that clock: the kernel's boot id
	VIPs  map[core.Name]string // the instance that serves each here; "" for none
}

// openMax bounds how many messages are remembered whose answers are still to come.
const openMax = 512

// A Recorder keeps the marks of one node. Heard, Ordered, Done and Stepped belong to the run loop's goroutine, the
// other methods to any.
type Recorder struct {
	node  string
	clock func() core.Instant
	name  string
	vips  map[core.Name]string

	// The loop's own.
	event   uint64               // the present one's number
	touched []*stream            // have marks of it, which a save may follow
	sent    map[uint64][]*stream // by the number of a request or release of this node
	owed    map[owing][]*stream  // what this node is to answer
	hinted  bool                 // the present event is a hint

	mu      sync.Mutex
	streams map[core.Name]*stream
	downs   map[string]down // by instance
}

// owing is an answer that another node waits for.
type owing struct {
	peer    string
	request core.Request
}

// down is how an instance was last noticed to be down.
type down struct{ failed, noticed core.Instant }

// New returns a Recorder without a mark.
func New(o Options) *Recorder {
	return &Recorder{
		node: o.Node, clock: o.Clock, name: o.Name, vips: o.VIPs,
		sent: map[uint64][]*stream{}, owed: map[owing][]*stream{}, streams: map[core.Name]*stream{}, downs: map[string]down{},
	}
}

// Journal returns what is remembered of a VIP.
func (r *Recorder) Journal(name core.Name) Journal {
	j := Journal{Node: r.node, VIP: string(name), Clock: r.name, Now: micros(r.clock()), Wall: time.Now().UTC(), Marks: []Mark{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.streams[name]; s != nil {
		j.Marks = slices.Clone(s.marks)
	}
	return j
}

// InstanceDown takes that the prober knows an instance to be down, before the machine is told. failed is when its
// process ended; 0: that is not known.
func (r *Recorder) InstanceDown(instance string, failed core.Instant) {
	noticed := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downs[instance] = down{failed, noticed}
}

// Address takes a step of the worker that puts addresses up and takes them down.
func (r *Recorder) Address(name core.Name, s Step) {
	at := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if on := r.streams[name]; on != nil && on.busy { // else it is announced again, or an earlier life's
		on.add(Mark{At: micros(at), Step: s})
	}
}

// mark notes a step of the loop. A VIP that is not known leaves none.
func (r *Recorder) mark(name core.Name, m Mark) *stream {
	if _, known := r.vips[name]; !known {
		return nil
	}
	m.Event = r.event
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	if s == nil {
		s = &stream{}
		r.streams[name] = s
	}
	switch {
	case m.Step == HintHeard && s.again(m, 1):
	case m.Step == Free && len(s.marks) > 1 && s.last().Step == HintSent && s.again(m, 2):
	case m.Step == HintSent && s.again(m, 1):
	default:
		s.add(m)
	}
	r.touch(s)
	return s
}

func (r *Recorder) touch(s *stream) {
	if !slices.Contains(r.touched, s) {
		r.touched = append(r.touched, s)
	}
}

// isTouched reports whether the present event has left a mark of a VIP.
func (r *Recorder) isTouched(name core.Name) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	return s != nil && slices.Contains(r.touched, s)
}

// each marks streams.
func (r *Recorder) each(list []*stream, m Mark) {
	m.Event = r.event
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range list {
		s.add(m)
	}
}

// now reads the clock as marks have it.
func (r *Recorder) now() int64 { return micros(r.clock()) }
