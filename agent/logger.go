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

// A Log is what stands between a logger and where it writes to.
type Log interface {
	// Flush writes what waits, unless that takes too long.
	Flush()
	// Close does so too, and says if it took too long. Nothing is written afterwards.
	Close() error
}

// NewLogger returns a logger that writes logfmt lines with milliseconds to w. It never waits for w,
// since the log is written on the way to a takeover: lines for which there is no room are dropped and
// counted.
func NewLogger(w io.Writer) (*logrus.Logger, Log) {
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
	lines   chan line
	done    chan struct{}
	closing sync.Once
	dropped atomic.Uint64

	mu     sync.RWMutex // held for reading while a line is handed over
	closed bool
}

// line is one to be written, or a mark that says when it was reached.
type line struct {
	text    []byte
	reached chan<- struct{} // nil: none
}

func newPatientWriter(w io.Writer) *patientWriter {
	p := &patientWriter{lines: make(chan line, logLinesWaiting), done: make(chan struct{})}
	go p.run(w)
	return p
}

func (p *patientWriter) run(w io.Writer) {
	defer close(p.done)
	for l := range p.lines {
		if n := p.dropped.Swap(0); n > 0 {
			formatted(w).WithField(fieldCount, n).Warn("log lines dropped")
		}
		_, _ = w.Write(l.text) // there is nowhere to complain
		if l.reached != nil {
			close(l.reached)
		}
	}
}

// Write never fails.
func (p *patientWriter) Write(text []byte) (int, error) {
	if !p.hand(line{text: append([]byte(nil), text...)}) { // the caller uses its buffer again
		p.dropped.Add(1)
	}
	return len(text), nil
}

// hand hands a line over, if there is room.
func (p *patientWriter) hand(l line) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return false
	}
	select {
	case p.lines <- l:
		return true
	default:
		return false
	}
}

// Flush returns when everything that was taken is written, or the patience is over.
func (p *patientWriter) Flush() {
	reached := make(chan struct{})
	if !p.hand(line{reached: reached}) {
		return // a reader that is that far behind is not waited for
	}
	select {
	case <-reached:
	case <-time.After(logPatience):
	}
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
