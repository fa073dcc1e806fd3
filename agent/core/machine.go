package core

// Machine decides for one node. It is owned by one goroutine.
type Machine struct {
	cfg Config
	now Instant
}

// New returns the machine of one node. It expects Started as its first event.
func New(cfg Config) *Machine {
	cfg.valid()
	return &Machine{cfg: cfg}
}

// Step applies one event at the given instant and returns what to do next, in order.
// It never blocks and never fails: an effect that failed comes back later as an event.
func (m *Machine) Step(now Instant, ev Event) []Effect {
	m.now = now
	_ = ev
	return nil
}

// Status returns what the node knows at now.
func (m *Machine) Status(now Instant) Status { _ = now; return Status{Node: m.cfg.Node} }
