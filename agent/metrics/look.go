package metrics

import (
	"context"
	"sync"
	"time"

	"memvip/agent/control"
	"memvip/agent/gossip"
)

const (
	// lookPatience bounds how long the run loop is waited for. It answers within a millisecond unless it stands still,
	// and whoever asks for metrics then is to hear just that.
	lookPatience = 500 * time.Millisecond
	// lookEvery is the least time between two looks, however many ask.
	lookEvery = 200 * time.Millisecond
	// lookAgeMax is how old a look may be that is still told. What an agent knew before its loop stood still must not
	// pass for what is.
	lookAgeMax = 5 * time.Second
)

// Look is what an agent knows at one instant.
type Look struct {
	Report control.Report
	Gossip gossip.Counters
	Fenced map[string]time.Duration // by VIP: for how long the kernel still lets its packets pass by itself
}

// looker has looks made, one at a time, and keeps the last.
type looker struct {
	ctx  context.Context
	look func(context.Context) (Look, error)

	mu    sync.Mutex
	last  *Look     // nil: none yet
	at    time.Time // of the last; before the first, of the beginning
	tried time.Time // when the newest try ended
}

// newest returns the newest look, and how old it is. The look is nil if there is none that may be told.
func (l *looker) newest() (*Look, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.tried) >= lookEvery {
		l.try()
	}
	age := time.Since(l.at)
	if age > lookAgeMax {
		return nil, age
	}
	return l.last, age
}

func (l *looker) try() {
	ctx, cancel := context.WithTimeout(l.ctx, lookPatience)
	defer cancel()
	begun := time.Now()
	look, err := l.look(ctx)
	l.tried = time.Now()
	if err == nil {
		l.last, l.at = &look, begun
	}
}
