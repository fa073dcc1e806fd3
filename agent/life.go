package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/agent/history"
	"memvip/configs"
	"memvip/health"
)

// watchRetryLinks is the pause before links are watched again after a failure.
const watchRetryLinks = time.Second

// live runs the loop and what tells it of this host, until ctx ends and the machine has let go.
func (a *agent) live(ctx context.Context, started core.Started) error {
	fence, why := a.manager.Fence()
	if why != nil {
		a.diary.trouble(logrus.Fields{fieldFence: string(fence)}, "no nftables: leases are longer, and dead hosts are noticed later", why)
	}
	fields := logrus.Fields{
		fieldFence: string(fence), fieldNode: a.self.Name, fieldVersion: Version(), fieldConfig: a.options.ConfigPath,
		fieldDir: a.options.RuntimeDir, fieldDetector: a.detector(),
	}
	maps.Copy(fields, a.footing())
	a.diary.change(fields, "agent starts")
	a.loop.history.Append(history.Starts(Version(), time.Now()))
	a.tellers.start(a.brace)
	a.tellers.start(a.proclaim)
	a.tellers.start(a.watchLinks)
	a.tellers.start(a.watchClaims)
	a.tellers.start(a.watchClients)
	probers := map[string]*health.Prober{}
	for name, in := range a.loop.instances.all {
		p := a.prober(in)
		probers[name] = p
		a.tellers.start(func() { p.Run(a.ctx) })
	}
	a.loop.addresses.tookUp = func(name core.Name) {
		probers[a.instanceName(name)].Hurry()
		a.clients.cameUp()
	}
	a.tellers.start(func() { a.awaitStop(ctx) })
	err := a.loop.run(a.ctx, started)
	if err != nil {
		err = errors.Join(err, a.letGo(err))
	}
	a.diary.change(leftUp(a.loop.kept), "agent ends")
	return err
}

// letGo takes everything down that the machine had no chance to.
func (a *agent) letGo(cause error) error {
	err := a.loop.addresses.letGo()
	var stack []byte
	if p, ok := errors.AsType[*PanicError](cause); ok {
		stack = p.Stack
	}
	a.diary.fault(cause, stack)
	return err
}

func (a *agent) prober(in *instance) *health.Prober {
	h := a.config.Health
	o := health.Options{
		Address: in.address, Interval: h.Interval, Deadline: h.Deadline, Fall: h.Fall, Rise: h.Rise,
		FreshInterval: h.FreshInterval, Connector: a.connector, Report: in.health,
		Serving: func() bool { return a.serves(in) },
	}
	if a.metrics != nil {
		o.Observed = a.metrics.Probed(in.name)
	}
	return health.New(o)
}

// serves reports whether an address is up here whose memcached this is.
func (a *agent) serves(in *instance) bool {
	return slices.ContainsFunc(a.config.VIPs, func(v configs.VIP) bool {
		return v.Instance == in.address && a.loop.addresses.isUp(nameOf(v))
	})
}

// keepWatching begins a watch again whenever it fails, until the agent ends.
func (a *agent) keepWatching(trouble string, watch func() error) {
	for a.ctx.Err() == nil {
		err := watch()
		if a.ctx.Err() == nil {
			a.diary.trouble(logrus.Fields{}, trouble, err)
		}
		pause(a.ctx, watchRetryLinks)
	}
}
