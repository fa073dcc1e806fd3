package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"memvip/agent/core"
	"memvip/agent/service"
	"memvip/configs"
)

// mortal is an agent around a rig that waits to be told to end.
type mortal struct {
	*agent
	rig     *rig
	signals chan os.Signal
	log     *logtest.Hook
}

func newMortal(t *testing.T, stop configs.Stop) *mortal {
	m := &mortal{rig: newRig(t), signals: make(chan os.Signal, 2)}
	var log *logrus.Logger
	log, m.log = logtest.NewNullLogger()
	m.agent = &agent{
		options: Options{Signals: m.signals}, diary: newDiary(log), loop: m.rig.loop, cancel: m.rig.cancel, ctx: m.rig.context,
		config: &configs.Config{Agent: configs.Agent{Stop: stop}}, tellers: newCrew(func(error) {}),
	}
	m.rig.start()
	return m
}

// await lets the agent wait for its end.
func (m *mortal) await(ctx context.Context) {
	go m.awaitStop(ctx)
	m.rig.settle()
	m.rig.want("started")
}

// said returns the last line of the log with that message.
func (m *mortal) said(message string) (fields logrus.Fields, ok bool) {
	for _, e := range m.log.AllEntries() {
		if e.Message == message {
			fields, ok = e.Data, true
		}
	}
	return fields, ok
}

func TestAStopIsAskedForAndThenNotWaitedForWithoutEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(signals chan os.Signal)
		want error
	}{
		{"it hangs", func(chan os.Signal) { pass(stopPatience) }, errStopTimeout},
		{"it is hurried", func(signals chan os.Signal) { signals <- unix.SIGINT }, errHurried},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMortal(t, configs.StopHandover)
				m.await(t.Context())
				m.signals <- unix.SIGTERM
				m.rig.settle()
				m.rig.want("stoprequested")
				c.then(m.signals)
				if err := <-m.rig.ended; !errors.Is(err, c.want) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestAStopThatWasCarriedOutIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMortal(t, configs.StopHandover)
		ctx, stop := context.WithCancel(t.Context())
		m.await(ctx)
		stop()
		m.rig.settle()
		m.rig.want("stoprequested")
		m.rig.order(core.Exit{})
		if err := <-m.rig.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestHowAnAgentEnds(t *testing.T) {
	const noAnswer = "not known whether this is a restart: taken for a stop"
	job := func(job string, err error) service.Manager {
		return scriptedServices(func(context.Context) (string, error) { return job, err })
	}
	for _, c := range []struct {
		name     string
		stop     configs.Stop
		signal   os.Signal
		services service.Manager
		want     configs.Stop
		says     string
	}{
		{"stopped by hand", configs.StopHandover, unix.SIGTERM, nil, configs.StopHandover, ""},
		{"stopped by hand, to keep", configs.StopKeep, unix.SIGTERM, nil, configs.StopKeep, ""},
		{"from the keyboard", configs.StopHandover, unix.SIGINT, job("restart", nil), configs.StopHandover, ""},
		{"stopped by systemd", configs.StopHandover, unix.SIGTERM, job("stop", nil), configs.StopHandover, ""},
		{"restarted by systemd", configs.StopHandover, unix.SIGTERM, job("restart", nil), configs.StopKeep, ""},
		{"killed by systemd, without a job", configs.StopHandover, unix.SIGTERM, job("", nil), configs.StopHandover, ""},
		{"systemd is not reached", configs.StopHandover, unix.SIGTERM, job("", errors.New("no bus")), configs.StopHandover, noAnswer},
		{"systemd does not answer", configs.StopHandover, unix.SIGTERM, scriptedServices(dumb), configs.StopHandover, noAnswer},
		{"stopped by systemd, to keep", configs.StopKeep, unix.SIGTERM, job("stop", nil), configs.StopKeep, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMortal(t, c.stop)
				m.services = c.services
				var keep bool
				m.rig.react = func(ev core.Event) []core.Effect {
					stop, ok := ev.(core.StopRequested)
					if !ok {
						return nil
					}
					keep = stop.Keep
					return []core.Effect{core.Exit{}}
				}
				m.await(t.Context())
				begun := time.Now()
				m.signals <- c.signal
				if err := <-m.rig.ended; err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(begun); waited > service.Patience {
					t.Errorf("waited %s", waited)
				}
				if want := c.want == configs.StopKeep; keep != want || m.returns() != want || m.successor() != nil {
					t.Errorf("keep %t, returns %t, goes on as %v; want %t and nothing", keep, m.returns(), m.successor(), want)
				}
				if fields, ok := m.said("agent stops"); !ok || fields[fieldWay] != string(c.want) {
					t.Errorf("says %v, want %s", fields, c.want)
				}
				if _, says := m.said(noAnswer); says != (c.says != "") {
					t.Errorf("says that it has no answer: %t", says)
				}
			})
		})
	}
}

// newProgram returns a program whose file is the script.
func newProgram(t *testing.T, script string) *Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Program{path: path, args: []string{"program", "--node", "h1"}, wanted: make(chan os.Signal, 1)}
}

func TestAnUpgradeThatIsRefusedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMortal(t, configs.StopHandover)
		m.options.Program = newProgram(t, "#!/bin/sh\necho no such configuration >&2\nexit 2\n")
		m.await(t.Context())
		for _, c := range []struct {
			signal os.Signal
			what   string
		}{{unix.SIGUSR2, "upgrade"}, {unix.SIGHUP, "reload"}, {unix.SIGUSR2, "upgrade"}} { // and may be asked for again
			m.log.Reset()
			m.options.Program.wanted <- c.signal
			m.rig.settle()
			m.rig.want()
			fields, ok := m.said(c.what + " refused, nothing changes")
			if r := m.refusedBefore(); r == nil || r.What != c.what || !strings.Contains(r.Why, "no such configuration") {
				t.Errorf("the status says %+v", r)
			}
			if why, _ := fields[fieldError].(string); !ok || !strings.Contains(why, "exit status 2") || !strings.Contains(why, "no such configuration") {
				t.Errorf("says %v", fields)
			}
		}
		m.signals <- unix.SIGTERM
		m.rig.settle()
		m.rig.want("stoprequested")
		if m.returns() || m.successor() != nil {
			t.Error("an agent that was told to stop goes on")
		}
	})
}

// What restarts a memcached would not survive this life.
func TestAMemcachedThatIsBeingRestartedIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMortal(t, configs.StopHandover)
		m.options.Program = newProgram(t, "#!/bin/sh\n")
		m.await(t.Context())
		done := make(chan struct{})
		set(m.rig, &m.rig.instances.restart, func(ctx context.Context) error {
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		m.rig.order(core.RestartInstance{Instance: mc})
		m.rig.want("restart [restart it]")
		const want = "memcached " + mc + " is being restarted by restart_command: ask again when it is done"
		for _, c := range []struct {
			signal os.Signal
			what   string
		}{{unix.SIGUSR2, "upgrade"}, {unix.SIGHUP, "reload"}} {
			m.options.Program.wanted <- c.signal
			m.rig.settle()
			m.rig.want()
			if r := m.refusedBefore(); r == nil || r.What != c.what || r.Why != want {
				t.Errorf("the status says %+v, want %s: %s", r, c.what, want)
			}
		}
		close(done)
		m.rig.settle()
		m.options.Program.wanted <- unix.SIGHUP
		m.rig.settle()
		m.rig.want("stoprequested")
	})
}

// A restart may begin while the program is tried.
func TestARestartThatBeganDuringATrialIsNotInterrupted(t *testing.T) {
	dir := t.TempDir()
	begun, goOn := filepath.Join(dir, "begun"), filepath.Join(dir, "go-on")
	m := newMortalNow(t, newProgram(t, "#!/bin/sh\n: > "+begun+"\nwhile [ ! -e "+goOn+" ]; do sleep 0.01; done\n"))
	one := &instance{name: mc}
	m.loop.instances.all = map[string]*instance{mc: one}
	go func() {
		eventually(t, "the trial has begun", func() bool { return exists(begun) })
		one.restarting.Store(true)
		_ = os.WriteFile(goOn, nil, 0o600)
	}()
	if err := m.trial(t.Context()); err == nil || !strings.Contains(err.Error(), "is being restarted") {
		t.Errorf("%v", err)
	}
}

// A log that is not read is waited for while leases are renewed.
func TestATrialWaitsForTheLog(t *testing.T) {
	r := &slowReader{let: make(chan struct{})}
	m := newMortalNow(t, newProgram(t, "#!/bin/sh\n"))
	log, closing := NewLogger(r)
	m.options.Output = closing
	log.Info("stuck")
	begun := time.Now()
	if err := m.trial(t.Context()); err != nil || time.Since(begun) < logPatience {
		t.Errorf("%v after %s, want the log to be waited for", err, time.Since(begun))
	}
	close(r.let)
	if err := closing.Close(); err != nil {
		t.Error(err)
	}
}

// unreadLog is a log that is never written, and says how waiting for it ended.
type unreadLog struct {
	waiting chan struct{}
	ended   error
}

func (*unreadLog) Shape(configs.LogFormat, configs.LogLevel) {}
func (*unreadLog) Close() error                              { return nil }
func (l *unreadLog) Flush(ctx context.Context) {
	close(l.waiting)
	<-ctx.Done()
	l.ended = ctx.Err()
}

func TestAStopDoesNotWaitForTheLogOfATrial(t *testing.T) {
	m := newMortalNow(t, newProgram(t, "#!/bin/sh\n"))
	log := &unreadLog{waiting: make(chan struct{})}
	m.options.Output = log
	m.options.Program.wanted <- unix.SIGUSR2
	go func() {
		<-log.waiting
		m.signals <- unix.SIGTERM
	}()
	end, asked := m.awaitEnding(t.Context())
	m.tellers.wait()
	if !asked || end.next != nil || !errors.Is(log.ended, context.Canceled) {
		t.Errorf("ends by %+v, asked for: %t; the log's patience ended by %v", end, asked, log.ended)
	}
}

func TestAnUpgradeKeepsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMortal(t, configs.StopHandover)
		m.options.Program = newProgram(t, "#!/bin/sh\ntest \"$*\" = 'check --node h1'\n")
		var stop core.StopRequested
		m.rig.react = func(ev core.Event) []core.Effect {
			stop, _ = ev.(core.StopRequested)
			return nil
		}
		m.await(t.Context())
		m.options.Program.wanted <- unix.SIGUSR2
		m.rig.settle()
		m.rig.want("stoprequested")
		if !stop.Keep || !m.returns() || m.successor() == nil {
			t.Errorf("keep %t, returns %t, goes on as %v", stop.Keep, m.returns(), m.successor())
		}
		m.signals <- unix.SIGTERM
		m.rig.settle()
		if len(m.signals) != 1 {
			t.Error("a stop that came meanwhile is lost")
		}
		m.rig.order(core.Exit{Kept: []core.KeptRecord{{Name: vipA, Until: 7}, {Name: vipB, Until: 8}}})
		if err := <-m.rig.ended; err != nil || leftUp(m.loop.kept)[fieldKept] != "10.0.0.101,10.0.0.102" {
			t.Errorf("ended with %v, kept %v", err, m.loop.kept)
		}
	})
}

func TestWhatCannotBeClosedDoesNotKeepAnUpgradeBack(t *testing.T) {
	stuck, broken := errors.New("port stuck"), errors.New("machine broken")
	for _, c := range []struct {
		name  string
		asked *ending
		err   error
		want  error
	}{
		{"upgrade", &ending{next: &successor{}}, nil, nil},
		{"upgrade that went wrong", &ending{next: &successor{}}, broken, errors.Join(broken, stuck)},
		{"stop", &ending{}, nil, stuck},
		{"own end", nil, broken, errors.Join(broken, stuck)},
	} {
		a := &agent{diary: newDiary(nil)}
		a.asked.Store(c.asked)
		a.closeLater(func() error { return stuck })
		got := a.end(c.err)
		if (got == nil) != (c.want == nil) || got != nil && got.Error() != c.want.Error() {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAStopDoesNotWaitForATrial(t *testing.T) {
	begun := filepath.Join(t.TempDir(), "begun")
	m := newMortalNow(t, newProgram(t, "#!/bin/sh\n: > "+begun+"\nsleep 3600\n"))
	m.options.Program.wanted <- unix.SIGUSR2
	go func() {
		eventually(t, "the trial has begun", func() bool { return exists(begun) })
		m.signals <- unix.SIGTERM
	}()
	end, asked := m.awaitEnding(t.Context())
	if !asked || end.way != configs.StopHandover || end.next != nil {
		t.Errorf("ends by %+v, asked for: %t", end, asked)
	}
	m.tellers.wait() // the trial is over, and its processes are gone
}

// newMortalNow is an agent that lives in real time, without a loop.
func newMortalNow(t *testing.T, p *Program) *mortal {
	m := &mortal{signals: make(chan os.Signal, 2)}
	m.agent = &agent{
		options: Options{Signals: m.signals, Program: p}, diary: newDiary(nil), ctx: t.Context(),
		loop:   &loop{shared: shared{queue: newQueue()}, instances: &instances{}},
		config: &configs.Config{Agent: configs.Agent{Stop: configs.StopHandover}}, tellers: newCrew(func(error) {}),
	}
	return m
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// scriptedServices is a service manager that says what the test says.
type scriptedServices func(ctx context.Context) (string, error)

func (s scriptedServices) Job(ctx context.Context) (string, error) { return s(ctx) }

// dumb says nothing until it is not listened to any more.
func dumb(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}
