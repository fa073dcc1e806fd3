package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/doctor"
	"memvip/configs"
)

// A reload is an upgrade to the same program: the configuration is read anew by a process that begins anew, after it was
// tried. Addresses stay up meanwhile, and what will not do changes nothing.

// What this process can be wished to begin anew for.
const (
	wishUpgrade = "upgrade"
	wishReload  = "reload"
)

// wish is for this process to begin anew.
type wish struct {
	what   string
	answer chan<- error // takes one answer; nil: nobody waits
}

// errNotNow is the answer to a wish that comes at the wrong time, or to an agent without a program.
var errNotNow = errors.New("an upgrade or another reload is under way")

// wishOf is what a signal means.
func wishOf(s os.Signal) wish {
	if s == unix.SIGHUP {
		return wish{what: wishReload}
	}
	return wish{what: wishUpgrade}
}

func (w wish) answered(err error) {
	if w.answer != nil {
		w.answer <- err
	}
}

// refusedWish is one that came to nothing.
type refusedWish struct {
	what string
	why  error
	at   time.Time
}

// grant makes an end of a wish whose trial went well. What will not do is logged, and kept for the status.
func (a *agent) grant(ctx context.Context, w wish, err error) (end ending, ok bool) {
	if err == nil {
		end, err = a.upgrade(w.what)
	}
	w.answered(err)
	if w.answer != nil {
		a.awaitAnswers(ctx)
	}
	if err != nil {
		a.refused.Store(&refusedWish{w.what, err, time.Now()})
		a.diary.trouble(logrus.Fields{fieldProgram: a.options.Program.path}, w.what+" refused, nothing changes", err)
		return ending{}, false
	}
	return end, true
}

// trial asks whether this process could begin anew here: another program, or its own with the configuration of now. It
// could not if this node and another would not understand each other's gossip then, or if it lacked what only this life
// knows of: another port, or a fence that this host was found not to have. Nor may it while a restart_command runs, which
// would not survive this life. What the log has to say until then is written before this life ends: nobody has time for
// that between two lives.
func (a *agent) trial(ctx context.Context) error {
	if err := a.tryAnew(ctx); err != nil {
		return err
	}
	a.options.flush(ctx, logPatience)
	return a.mayInterrupt() // last: one may have begun meanwhile
}

// mayInterrupt refuses to break off what restarts a memcached.
func (a *agent) mayInterrupt() error {
	if name, ok := a.loop.instances.restarting(); ok {
		return fmt.Errorf("memcached %s is being restarted by restart_command: ask again when it is done", name)
	}
	return nil
}

// tryAnew is the trial of configuration and program.
func (a *agent) tryAnew(ctx context.Context) error {
	if c, err := configs.Load(a.options.ConfigPath); err == nil { // the program says what is wrong with another
		if err := a.maySeal(ctx, configs.KeyFileOf(c.Cluster.Keys)); err != nil {
			return err
		}
		if err := a.mayLeave(ctx, c); err != nil {
			return err
		}
		if err := a.mayListen(ctx, c); err != nil {
			return err
		}
		if c.Cluster.Fence == configs.FenceNftables {
			if _, lacks := a.manager.Fence(); lacks != nil {
				return fmt.Errorf(`cluster.fence is "nftables", and this agent found none when it started: %w; reload with "auto" first if there are now`, lacks)
			}
		}
	}
	return a.options.Program.try(ctx, a.options.environment(connectorNone))
}

// mayLeave refuses another name or port of the cluster while other nodes are heard: host by host, first this node and then
// those that are left would be without a majority.
func (a *agent) mayLeave(ctx context.Context, c *configs.Config) error {
	if c.Cluster.Name == a.config.Cluster.Name && c.Cluster.Port == a.config.Cluster.Port {
		return nil
	}
	status, err := a.loop.ask(ctx)
	if err != nil {
		return err
	}
	for _, n := range status.Nodes {
		if n.Name != a.self.Name && n.Heard && n.Ago < heardLately {
			return fmt.Errorf("with another cluster.name or cluster.port %s and %s would not hear each other: stop all agents first", a.self.Name, n.Name)
		}
	}
	return nil
}

// mayListen refuses another address or port for gossip that another program has. This one lets go of its own in time.
func (a *agent) mayListen(ctx context.Context, c *configs.Config) error {
	self, known := c.Member(a.self.Name)
	if !known || self.Addr == a.self.Addr && c.Cluster.Port == a.config.Cluster.Port {
		return nil
	}
	at := netip.AddrPortFrom(self.Addr, uint16(c.Cluster.Port))
	if err := doctor.TryListen(ctx, at); err != nil {
		return fmt.Errorf("gossip of %s could not use %s: %w", a.self.Name, at, err)
	}
	return nil
}

// upgrade is the end for a program that has passed its trial.
func (a *agent) upgrade(why string) (ending, error) {
	next, err := a.succeed()
	return ending{way: configs.StopKeep, why: why, next: next}, err
}

// answerPatience is how long who asked for a reload has to hear that it is on its way.
const answerPatience = 500 * time.Millisecond

// awaitAnswers lets answers to other nodes leave.
func (a *agent) awaitAnswers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	a.gossip.AwaitAnswers(ctx)
}

// refusedBefore is what the status says of that; nil: nothing was refused in this life.
func (a *agent) refusedBefore() *control.Refused {
	r := a.refused.Load()
	if r == nil {
		return nil
	}
	return &control.Refused{What: r.what, Why: r.why.Error(), Ago: time.Since(r.at)}
}

// answerReload has this process become its program anew, for who waits to hear what came of it.
func (a *agent) answerReload(ctx context.Context, r control.Request) control.Response {
	a.asks(r)
	tried := make(chan error, 1)
	select {
	case a.reloads <- wish{what: wishReload, answer: tried}:
	case <-a.loop.queue.ended:
		return control.Fail(control.FailStopping, "%v", errEnded)
	case <-ctx.Done():
		return control.Fail(control.FailInternal, "%v", ctx.Err())
	}
	select {
	case err := <-tried:
		if err != nil {
			return control.Fail(control.FailRefused, "%v", err)
		}
		return control.Reply(struct{}{})
	case <-a.loop.queue.ended:
		return control.Fail(control.FailStopping, "%v", errEnded)
	case <-ctx.Done():
		return control.Fail(control.FailInternal, "%v", ctx.Err())
	}
}
