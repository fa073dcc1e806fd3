package agent

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// logLinesWaiting is how many lines may wait for a slow reader of the log.
	logLinesWaiting = 4096
	// logPatience is how long the end of the agent waits for that reader.
	logPatience = time.Second
)

// NewLogger returns a logger that writes logfmt lines with milliseconds to w. It never waits for w,
// since the log is written on the way to a takeover: lines for which there is no room are dropped and
// counted. Close writes what waits, unless w takes too long.
func NewLogger(w io.Writer) (log *logrus.Logger, closing io.Closer) {
	out := newPatientWriter(w)
	return formatted(out), out
}

func formatted(w io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetFormatter(&logrus.TextFormatter{
		DisableColors: true, FullTimestamp: true, TimestampFormat: "2006-01-02T15:04:05.000Z07:00",
	})
	return log
}

// patientWriter takes lines at once and writes them from a goroutine of its own.
type patientWriter struct {
	lines   chan []byte
	done    chan struct{}
	closing sync.Once
	dropped atomic.Uint64

	mu     sync.RWMutex // held for reading while a line is handed over
	closed bool
}

func newPatientWriter(w io.Writer) *patientWriter {
	p := &patientWriter{lines: make(chan []byte, logLinesWaiting), done: make(chan struct{})}
	go p.run(w)
	return p
}

func (p *patientWriter) run(w io.Writer) {
	defer close(p.done)
	for line := range p.lines {
		if n := p.dropped.Swap(0); n > 0 {
			formatted(w).WithField(fieldCount, n).Warn("log lines dropped")
		}
		_, _ = w.Write(line) // there is nowhere to complain
	}
}

// Write never fails.
func (p *patientWriter) Write(line []byte) (int, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		p.dropped.Add(1)
		return len(line), nil
	}
	select {
	case p.lines <- append([]byte(nil), line...): // the caller uses its buffer again
	default:
		p.dropped.Add(1)
	}
	return len(line), nil
}

// Close returns when everything that was taken is written, or the patience is over.
func (p *patientWriter) Close() error {
	p.closing.Do(func() {
		p.mu.Lock()
		p.closed = true
		close(p.lines)
		p.mu.Unlock()
	})
	select {
	case <-p.done:
		return nil
	case <-time.After(logPatience):
		return errors.New("log: lines left that nobody reads")
	}
}
