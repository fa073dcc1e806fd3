package agent

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/configs"
)

const (
	// logLinesWaiting is how many lines may wait for a slow reader of the log.
	logLinesWaiting = 4096
	// logPatience is how long that reader is waited for by an end of the agent, and by what may wait while leases are renewed.
	logPatience = time.Second
	// logHaste is how long it is waited for where nobody renews them meanwhile.
	logHaste = 20 * time.Millisecond
)

// A Log is what stands between a logger and where it writes to.
type Log interface {
	// Shape has everything from now on written in a form, and only what is of a level or worse. The zero values are the
	// defaults of the configuration.
	Shape(configs.LogFormat, configs.LogLevel)
	// Flush writes what waits, until ctx ends.
	Flush(ctx context.Context)
	// Close does so too, and says if it took too long. Nothing is written afterwards.
	Close() error
}

// NewLogger returns a logger that writes to w in the form that w is for, until it is told another: to standard error
// that leads to systemd's journal as entries with fields, else lines of key=value. It never waits for w, since the log
// is written on the way to a takeover: lines for which there is no room are dropped and counted.
func NewLogger(w io.Writer) (*logrus.Logger, Log) {
	log := logrus.New()
	// The lines are put into words where they are written, not here.
	log.SetOutput(io.Discard)
	log.SetFormatter(wordless{})
	out := newPatientWriter(w, log)
	log.AddHook(out)
	return log, out
}

// wordless is a formatter for nobody.
type wordless struct{}

func (wordless) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// patientWriter takes lines at once and writes them from a goroutine of its own.
type patientWriter struct {
	w       io.Writer
	log     *logrus.Logger
	pen     atomic.Pointer[pen]
	lines   chan line
	done    chan struct{}
	closing sync.Once
	dropped atomic.Uint64

	mu     sync.RWMutex // held for reading while a line is handed over
	closed bool
}

// line is one to be written, or a mark that says when it was reached.
type line struct {
	entry   *logrus.Entry   // nil: none
	reached chan<- struct{} // nil: none
}

func newPatientWriter(w io.Writer, log *logrus.Logger) *patientWriter {
	p := &patientWriter{w: w, log: log, lines: make(chan line, logLinesWaiting), done: make(chan struct{})}
	p.Shape("", "")
	go p.run()
	return p
}

// Shape belongs to Log.
func (p *patientWriter) Shape(format configs.LogFormat, level configs.LogLevel) {
	next := penFor(p.w, format)
	p.pen.Store(&next)
	p.log.SetLevel(logLevels[level])
}

// logLevels are logrus' for the configuration's.
var logLevels = map[configs.LogLevel]logrus.Level{
	"": logrus.InfoLevel, configs.LogError: logrus.ErrorLevel, configs.LogWarning: logrus.WarnLevel,
	configs.LogInfo: logrus.InfoLevel, configs.LogDebug: logrus.DebugLevel,
}

func (p *patientWriter) run() {
	defer close(p.done)
	for l := range p.lines {
		if n := p.dropped.Swap(0); n > 0 {
			p.write(&logrus.Entry{Time: time.Now(), Level: logrus.WarnLevel, Message: "log lines dropped", Data: logrus.Fields{fieldCount: n}})
		}
		if l.entry != nil {
			p.write(l.entry)
		}
		if l.reached != nil {
			close(l.reached)
		}
	}
}

func (p *patientWriter) write(e *logrus.Entry) { (*p.pen.Load())(e) }

// Levels belongs to logrus.Hook: lines of all levels come here.
func (p *patientWriter) Levels() []logrus.Level { return logrus.AllLevels }

// Fire belongs to logrus.Hook. It never fails.
func (p *patientWriter) Fire(e *logrus.Entry) error {
	// Of the entry itself logrus goes on to use all but these.
	if !p.hand(line{entry: &logrus.Entry{Time: e.Time, Level: e.Level, Message: e.Message, Data: e.Data}}) {
		p.dropped.Add(1)
	}
	return nil
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

// Flush returns when everything that was taken is written, or ctx has ended.
func (p *patientWriter) Flush(ctx context.Context) {
	reached := make(chan struct{})
	if !p.hand(line{reached: reached}) {
		return // a reader that is that far behind is not waited for
	}
	select {
	case <-reached:
	case <-ctx.Done():
	}
}

// flush gives the log so long to be written, if that can be told.
func (o *Options) flush(ctx context.Context, patience time.Duration) {
	if o.Output == nil {
		return
	}
	ctx, enough := context.WithTimeout(ctx, patience)
	defer enough()
	o.Output.Flush(ctx)
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
