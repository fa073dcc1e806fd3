package lab

import (
	"errors"
	"fmt"
)

// Manager is what moves VIPs on one host: the agent, or keepalived in its place. Faults and measurements are the
// same for both.
type Manager interface {
	Start() error
	Kill() (Instant, error)
	Term() (Instant, error)
	Freeze() (Instant, error)
	Thaw() (Instant, error)
	Done() <-chan struct{}
	PID() int
	Log() string
	Usage() (Usage, error)
}

// Manager is the host's; nil if the lab has neither agents nor keepalived.
func (h *Host) Manager() Manager {
	switch {
	case h.agent != nil:
		return h.agent
	case h.keepalived != nil:
		return h.keepalived
	}
	return nil
}

// StartManagers starts the manager of every host.
func (l *Lab) StartManagers() error {
	for _, h := range l.Hosts {
		m := h.Manager()
		if m == nil {
			return errors.New("lab: start managers: Options name none")
		}
		if err := m.Start(); err != nil {
			return fmt.Errorf("lab: %s: %w", h.Name, err)
		}
	}
	return nil
}
