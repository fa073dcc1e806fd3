package agent

import (
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/history"
	"memvip/agent/hooks"
	"memvip/configs"
)

// hooksPatience is how long the end of the agent waits for hooks, once everything is given away: those that tell of that
// are worth it.
const hooksPatience = 2 * time.Second

// newHooks returns the runner of this process's hooks, with those that it was left as another program. The caller closes
// it.
func newHooks(d *diary) *hooks.Runner {
	r := hooks.New(hooks.Report{Ended: d.hook, Dropped: d.hookDropped})
	if left, ok := os.LookupEnv(hooks.Variable); ok {
		_ = os.Unsetenv(hooks.Variable)
		if err := r.Inherit(left); err != nil {
			d.trouble(logrus.Fields{}, "hooks of the earlier program lost", err)
		}
	}
	return r
}

// openHooks has this life's hooks run from now on.
func (a *agent) openHooks() {
	o := hooks.Options{Node: a.self.Name, Cluster: a.config.Cluster.Name, Sites: map[string]hooks.Site{}, Commands: a.config.Hooks}
	for _, v := range a.config.VIPs {
		name := nameOf(v)
		o.Sites[string(name)] = hooks.Site{Home: v.Home, Interface: a.places[name].Link}
	}
	a.hooks.Configure(o)
}

// hooksMayTake is how long hooks may take at the end of the agent's last life: nothing is waited for where another agent
// is about to go on with the leases, or where the end is not a good one.
func (a *agent) hooksMayTake(err error) time.Duration {
	end := a.asked.Load()
	if err != nil || end == nil || end.way != configs.StopHandover {
		return 0
	}
	return hooksPatience
}

// chronicle tells the hooks what the history is told, and nothing else.
type chronicle struct {
	history interface{ Append(history.Entry) }
	hooks   interface{ Notice(history.Entry) }
}

func (c chronicle) Append(e history.Entry) {
	c.history.Append(e)
	c.hooks.Notice(e)
}

// hook writes what became of a hook.
func (d *diary) hook(o hooks.Outcome) {
	fields := logrus.Fields{fieldHook: string(o.Event.Kind), fieldVIP: o.Event.VIP, fieldExitCode: o.Code}
	level, message := logrus.InfoLevel, "hook done"
	if o.Err != nil {
		level, message = logrus.WarnLevel, "hook failed"
		fields[fieldError] = o.Err.Error()
	}
	if o.Output != "" {
		fields[fieldOutput] = o.Output
	}
	key := message + fmt.Sprint(fields)
	fields[fieldTook] = o.Took.Milliseconds()
	d.write(d.now(), level, key, fields, message)
}

// hookDropped writes that an event had no hook run for it.
func (d *diary) hookDropped(e hooks.Event) {
	d.trouble(logrus.Fields{fieldHook: string(e.Kind), fieldVIP: e.VIP}, "hook not run: too many wait, or the agent ends", nil)
}
