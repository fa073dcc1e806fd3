package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec" // to try another program before this process becomes it
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"memvip/agent/hooks"
	"memvip/flush/command"
	"memvip/health"
)

const (
	// tryPatience bounds the trial of another program. The agent goes on as it was meanwhile.
	tryPatience = 10 * time.Second
	// tryOutputWait is how long its output is waited for once it has ended.
	tryOutputWait = 100 * time.Millisecond
	// tryOutputBytesMax of it are kept for the log, from its beginning.
	tryOutputBytesMax = 1 << 10
)

// Program is the file that this process was started from. On SIGUSR2 and SIGHUP the agent looks at what lies there by
// then: if that would do with the configuration as it is by then, the process goes on as that, with the same arguments
// and the same process id. A nil Program never does.
type Program struct {
	path   string
	args   []string // the program's name first
	wanted chan os.Signal

	become func(path string, args, environment []string) error // exec, but for tests
}

// anew are the signals that wish for that: one says that the program is another, one that the configuration is.
var anew = []os.Signal{unix.SIGUSR2, unix.SIGHUP}

// ThisProgram returns the program of this process, and from then on takes SIGUSR2 and SIGHUP for the wish to begin
// anew. It has to be called before anybody exchanges the file.
func ThisProgram() (*Program, error) {
	path, err := programPath(os.Args[0])
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	p := &Program{path: path, args: os.Args, wanted: make(chan os.Signal, 1), become: syscall.Exec}
	signal.Notify(p.wanted, anew...)
	return p, nil
}

// programPath returns where this program was started from: the path itself, not what a link on it leads to, since
// that is what an upgrade changes. A name that was made up is not believed.
func programPath(name string) (string, error) {
	running, err := os.Executable()
	if err != nil {
		return "", err
	}
	found, err := exec.LookPath(name)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil || !sameFile(found, running) {
		return running, nil
	}
	return found, nil
}

func sameFile(one, other string) bool {
	a, errA := os.Stat(one)
	b, errB := os.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// wishes brings the signals.
func (p *Program) wishes() <-chan os.Signal {
	if p == nil {
		return nil
	}
	return p.wanted
}

// try asks the file whether it could go on here. The error has what it says is in the way.
func (p *Program) try(ctx context.Context, environment []string) error {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	var complaint head
	cmd := exec.CommandContext(ctx, p.path, append([]string{"check"}, p.args[1:]...)...)
	cmd.Stderr, cmd.WaitDelay = &complaint, tryOutputWait
	cmd.Env = environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := command.StartOrdinary(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s check: no answer within %s: %w%s", p.path, tryPatience, ctx.Err(), complaint.quoted())
	case err != nil:
		return fmt.Errorf("%s check: %w%s", p.path, err, complaint.quoted())
	}
	return nil
}

// environment is that of a program which is started where this one is, with the connector's descriptor.
func (o *Options) environment(connector string) []string {
	if !o.Entered {
		return os.Environ()
	}
	return append(os.Environ(), connectorVariable+"="+connector)
}

// head keeps the first bytes written to it.
type head struct{ kept bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.kept.Write(p[:min(len(p), tryOutputBytesMax-h.kept.Len())])
	return len(p), nil
}

func (h *head) quoted() string {
	text := strings.TrimSpace(h.kept.String())
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// successor is a program that has passed its trial, with what is handed down to it.
type successor struct {
	*Program
	options   *Options
	hooks     *hooks.Runner
	connector *os.File // nil: none
}

// succeed prepares what is handed down to the program.
func (a *agent) succeed() (*successor, error) {
	next := &successor{Program: a.options.Program, options: &a.options, hooks: a.hooks}
	if !a.options.Entered || a.connector == nil {
		return next, nil // it opens its own
	}
	var err error
	next.connector, err = a.connector.File()
	return next, err
}

// goOn has the process go on as the next program once a life has ended for that. It returns only if that is not
// possible, or not wanted any more, with the connector: then this program lives once more.
func (a *agent) goOn(ctx context.Context, next *successor) *health.Connector {
	err := next.unlessStopped(ctx)
	if err == nil {
		a.diary.change(logrus.Fields{fieldProgram: next.path}, "this process becomes another program")
		a.options.flush(ctx, logHaste) // the trial was more patient
		err = next.takeOver(ctx, a.diary)
	}
	if errors.Is(err, errStopFirst) {
		a.diary.change(nil, "upgrade given up for a stop")
	} else {
		a.diary.trouble(logrus.Fields{fieldProgram: next.path}, "upgrade failed, this program goes on", err)
	}
	return next.keep(a.diary)
}

// errStopFirst is why a process does not go on as another that has been told to stop: exec would swallow that.
var errStopFirst = errors.New("told to stop")

// unlessStopped looks for a stop that came meanwhile, and leaves it to be taken.
func (s *successor) unlessStopped(ctx context.Context) error {
	settleSignals()
	if ctx.Err() != nil || len(s.options.Signals) > 0 {
		return errStopFirst
	}
	return nil
}

// settleSignals returns when every signal that the runtime has caught so far has arrived where it is waited for: not before
// would an end of listening return. One that the kernel has not yet delivered to a thread is not seen.
func settleSignals() {
	nobody := make(chan os.Signal, 1)
	signal.Notify(nobody, unix.SIGTERM)
	signal.Stop(nobody)
}

// takeOver has this process go on as the successor, and returns only if that fails.
func (s *successor) takeOver(ctx context.Context, d *diary) error {
	handed := connectorNone
	if s.connector != nil {
		var err error
		if handed, err = leaveOpen(s.connector); err != nil {
			return err
		}
		defer closeLeftOpen(handed)
	}
	signal.Ignore(anew...) // one that comes before the successor listens would be its end
	defer signal.Notify(s.wanted, anew...)
	defer s.hooks.Stay()
	environment := s.options.environment(handed)
	switch left, err := s.hooks.Leave(); {
	case err != nil:
		d.trouble(logrus.Fields{}, "hooks not left to the next program", err)
	case left != "":
		environment = append(environment, left)
	}
	if err := s.unlessStopped(ctx); err != nil { // hooks may have taken a while to be left
		return err
	}
	return fmt.Errorf("become %s: %w", s.path, s.become(s.path, s.args, environment))
}

// keep takes the connector back for another life of this program.
func (s *successor) keep(d *diary) *health.Connector {
	if s.connector == nil {
		return nil
	}
	connector, err := health.ConnectorFromFile(s.connector)
	if err != nil {
		d.trouble(logrus.Fields{}, "process connector lost", err)
		return nil
	}
	return connector
}
