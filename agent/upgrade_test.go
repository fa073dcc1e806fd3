package agent

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/configs"
)

func TestWhatWillNotDoAsAnUpgrade(t *testing.T) {
	for _, c := range []struct {
		name, script string
		mode         os.FileMode
		want         []string
	}{
		{"not there", "", 0, []string{"no such file or directory"}},
		{"not executable", "#!/bin/sh\n", 0o644, []string{"permission denied"}},
		{"cut off", "\x7fELF\x02\x01", 0o755, []string{"exec format error"}},
		{"empty", "", 0o755, []string{"exec format error"}},
		{"it refuses", "#!/bin/sh\necho agent.toml:3: a mistake >&2; exit 2\n", 0o755, []string{"check: exit status 2", "agent.toml:3: a mistake"}},
		{"it crashes", "#!/bin/sh\nkill -SEGV $$\n", 0o755, []string{"signal: segmentation fault"}},
		{"it says too much", "#!/bin/sh\nyes | head -c 100000 >&2; exit 1\n", 0o755, []string{"exit status 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProgram(t, c.script)
			if err := os.Chmod(p.path, c.mode); err != nil {
				t.Fatal(err)
			}
			if c.mode == 0 {
				if err := os.Remove(p.path); err != nil {
					t.Fatal(err)
				}
			}
			err := p.try(t.Context(), os.Environ())
			for _, want := range append(c.want, p.path) {
				if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2*tryOutputBytesMax+500 {
					t.Errorf("%.300v; want %q", err, want)
				}
			}
		})
	}
}

func TestAProgramThatDoesNotAnswerWillNotDo(t *testing.T) {
	ctx, enough := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer enough()
	err := newProgram(t, "#!/bin/sh\necho thinking >&2\nsleep 3600\n").try(ctx, os.Environ())
	if err == nil || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("%v", err)
	}
}

func TestAProgramIsAskedWithItsOwnArguments(t *testing.T) {
	p := newProgram(t, `#!/bin/sh
echo "$@ in $MEMVIP_CONNECTOR_FD" > "$(dirname "$0")/asked"
`)
	for _, c := range []struct {
		entered bool
		want    string
	}{{false, "check --node h1 in \n"}, {true, "check --node h1 in none\n"}} {
		o := Options{Entered: c.entered}
		if err := p.try(t.Context(), o.environment(connectorNone)); err != nil {
			t.Fatal(err)
		}
		asked, err := os.ReadFile(filepath.Join(filepath.Dir(p.path), "asked"))
		if err != nil || string(asked) != c.want {
			t.Errorf("in a namespace that it entered: %t: asked %q, %v; want %q", c.entered, asked, err, c.want)
		}
	}
}

func TestWhereThisProgramWasStartedFrom(t *testing.T) {
	running, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	if err := os.Symlink(running, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Chdir(dir)
	for name, want := range map[string]string{
		link: link, "./current": link, "current": link, // what an upgrade changes is the link
		"/bin/sh": running, "nothing": running, "": running,
	} {
		if got, err := programPath(name); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", name, got, err, want)
		}
	}
}

// home is an agent that holds both addresses of a cluster of its own, with a program that can be exchanged.
type home struct {
	*running
	config  string
	program *Program
	signals chan os.Signal
	became  chan []string // the environment that a program was to be started in
}

// startHome returns once both addresses are up. become is what the kernel answers when the process is to become
// another program.
func startHome(t *testing.T, become func(config string) error) *home {
	t.Helper()
	return startHomeWith(t, func(string) {}, become)
}

// startHomeWith is startHome with a change to the configuration.
func startHomeWith(t *testing.T, change func(config string), become func(config string) error) *home {
	t.Helper()
	newLANs(t)
	h := &home{config: newServedCluster(t), program: newProgram(t, "#!/bin/sh\n"), signals: make(chan os.Signal, 2), became: make(chan []string, 9)}
	withLongestLease(t, h.config)
	change(h.config)
	h.program.become = func(_ string, _, environment []string) error {
		h.became <- environment
		return become(h.config)
	}
	for _, w := range []string{"w1", "w2"} {
		witness := startAgent(t, h.config, w)
		t.Cleanup(func() { witness.end(t) })
	}
	h.running = startAgentWith(t, Options{ConfigPath: h.config, Node: "h1", Program: h.program, Signals: h.signals})
	eventually(t, "both addresses are up", func() bool {
		return isUp(t, "lan0", "10.77.0.101") && isUp(t, "lan1", "10.77.0.102")
	})
	return h
}

// awaitHeld waits until a life after the one of the report holds both addresses of h1.
func awaitHeld(t *testing.T, dir string, before control.Report) (now control.Report) {
	t.Helper()
	client := control.Client{Path: filepath.Join(dir, control.SocketName), Timeout: patience}
	eventually(t, "both addresses are held", func() bool {
		var err error
		now, _, err = client.Status(t.Context())
		return err == nil && now.Started.After(before.Started) && len(now.Addresses) == 2 && now.VIPs[0].AtHome && now.VIPs[1].AtHome
	})
	return now
}

func TestAProcessThatCannotBecomeTheOtherProgramGoesOn(t *testing.T) {
	h := startHome(t, func(string) error { return unix.ENOEXEC })
	before := awaitHeld(t, h.dir, control.Report{})
	for range 3 {
		h.program.wanted <- unix.SIGUSR2
		<-h.became
		after := awaitHeld(t, h.dir, before)
		for i, v := range after.VIPs {
			if v.Epoch != before.VIPs[i].Epoch {
				t.Errorf("%s is held in term %d, was in %d: it was taken anew", v.Address, v.Epoch, before.VIPs[i].Epoch)
			}
		}
		before = after
	}
	h.end(t)
	if isUp(t, "lan0", "10.77.0.101") {
		t.Error("up after the agent has ended")
	}
}

func TestAddressesAreNotLeftWhereNoLifeFollows(t *testing.T) {
	h := startHome(t, func(config string) error {
		return errors.Join(unix.ENOEXEC, os.WriteFile(config, []byte("[cluster]\n"), 0o600))
	})
	h.program.wanted <- unix.SIGUSR2
	err := <-h.ended
	if _, ok := errors.AsType[*configs.Error](err); !ok {
		t.Errorf("ended with %v, want the mistake in the configuration", err)
	}
	for link, address := range map[string]string{"lan0": "10.77.0.101", "lan1": "10.77.0.102"} {
		if isUp(t, link, address) {
			t.Errorf("%s is still up", address)
		}
	}
}

func TestAStopThatComesWithAnUpgradeIsAStop(t *testing.T) {
	became := 0
	p := newProgram(t, "")
	p.become = func(string, []string, []string) error { became++; return unix.ENOEXEC }
	signals := make(chan os.Signal, 2)
	a := &agent{options: Options{Signals: signals}, diary: newDiary(nil)}
	next := &successor{Program: p, options: &a.options, hooks: newHooks(a.diary)}

	signals <- unix.SIGTERM
	a.goOn(t.Context(), next)
	<-signals
	ctx, stop := context.WithCancel(t.Context())
	stop()
	a.goOn(ctx, next)
	if became > 0 {
		t.Error("became another program although told to stop")
	}
	if a.goOn(t.Context(), next); became != 1 {
		t.Errorf("became another program %d times, want once", became)
	}
}

// stoppingLog has a stop come while it is flushed.
type stoppingLog struct{ stop func() }

func (*stoppingLog) Shape(configs.LogFormat, configs.LogLevel) {}
func (l *stoppingLog) Flush(context.Context)                   { l.stop() }
func (*stoppingLog) Close() error                              { return nil }

// signalThisThread returns when the runtime has caught a signal: one for a thread is taken on its way back from the kernel, one for
// the process whenever some thread comes round to it.
func signalThisThread(s unix.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Tgkill(os.Getpid(), unix.Gettid(), s)
}

// Exec swallows a signal that this process was given and has not acted on.
func TestAStopThatComesLateIsAStop(t *testing.T) {
	for _, c := range []struct {
		name string
		stop func(signals chan os.Signal, end func()) error
	}{
		{"a signal that is there", func(signals chan os.Signal, _ func()) error { signals <- unix.SIGTERM; return nil }},
		{"a signal on its way", func(chan os.Signal, func()) error { return signalThisThread(unix.SIGTERM) }},
		{"the context", func(_ chan os.Signal, end func()) error { end(); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProgram(t, "")
			p.become = func(string, []string, []string) error {
				t.Error("became another program although told to stop")
				return unix.ENOEXEC
			}
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, unix.SIGTERM)
			defer signal.Stop(signals)
			ctx, end := context.WithCancel(t.Context())
			defer end()
			log, said := logtest.NewNullLogger()
			a := &agent{options: Options{Signals: signals}, diary: newDiary(log)}
			a.options.Output = &stoppingLog{func() {
				if err := c.stop(signals, end); err != nil {
					t.Error(err)
				}
			}}
			a.goOn(ctx, &successor{Program: p, options: &a.options, hooks: newHooks(a.diary)})
			if last := said.LastEntry(); last == nil || last.Message != "upgrade given up for a stop" {
				t.Errorf("says last %+v", last)
			}
			if ctx.Err() == nil && len(signals) != 1 {
				t.Error("the stop is lost")
			}
		})
	}
}

// Nobody renews leases between two lives.
func TestALogThatIsNotReadDoesNotKeepAnUpgradeBack(t *testing.T) {
	r := &slowReader{let: make(chan struct{})}
	log, closing := NewLogger(r)
	p := newProgram(t, "")
	begun := time.Now()
	p.become = func(string, []string, []string) error {
		if took := time.Since(begun); took < logHaste || took > logPatience/2 {
			t.Errorf("becomes another program after %s, want %s", took, logHaste)
		}
		return unix.ENOEXEC
	}
	a := &agent{options: Options{Output: closing}, diary: newDiary(log)}
	a.goOn(t.Context(), &successor{Program: p, options: &a.options, hooks: newHooks(a.diary)})
	close(r.let)
	if err := closing.Close(); err != nil {
		t.Error(err)
	}
}
