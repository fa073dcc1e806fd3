package agent

import (
	"context"
	"log"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/agent/metrics"
)

// What Prometheus is told. All of it is off unless the configuration says where.

// observer is told of all that the loop does, on the loop's goroutine: of an effect before it is carried out, and
// again when it is or was handed to whoever will.
type observer interface {
	Heard(core.Instant, core.Event)
	Ordered(core.Instant, core.Effect)
	Done(core.Effect)
	Stepped(time.Duration)
}

// observers tells several.
type observers []observer

func (all observers) Heard(at core.Instant, ev core.Event) {
	for _, o := range all {
		o.Heard(at, ev)
	}
}

func (all observers) Ordered(at core.Instant, effect core.Effect) {
	for _, o := range all {
		o.Ordered(at, effect)
	}
}

func (all observers) Done(effect core.Effect) {
	for _, o := range all {
		o.Done(effect)
	}
}

func (all observers) Stepped(took time.Duration) {
	for _, o := range all {
		o.Stepped(took)
	}
}

// openMetrics has the loop observed, if anybody is to be told of it.
func (a *agent) openMetrics() {
	if !a.config.Metrics.Listen.IsValid() {
		return
	}
	o := metrics.Options{
		Cluster: a.config.Cluster.Name, Node: a.self.Name, Lease: a.lease(), Look: a.look, Complain: log.New(complaints{a.diary}, "", 0),
	}
	for _, v := range a.config.VIPs {
		o.VIPs = append(o.VIPs, nameOf(v))
	}
	for _, name := range a.loop.instances.names() {
		o.Instances = append(o.Instances, metrics.Instance{Name: name, Address: a.loop.instances.all[name].address})
	}
	a.metrics = metrics.New(o)
	a.loop.observer = append(a.loop.observer, a.metrics)
	a.closeLater(func() error { a.metrics.Close(); return nil })
}

// serveMetrics answers whoever asks for them. An address that cannot be had keeps nobody from serving VIPs: it is tried
// again, and status names it.
func (a *agent) serveMetrics() error {
	if a.metrics == nil {
		return nil
	}
	listen := a.config.Metrics.Listen
	a.teller = metrics.Serve(listen, a.metrics.Handler(), func(err error) {
		a.diary.trouble(logrus.Fields{fieldAddress: listen.String()}, "metrics not served", err)
	})
	a.closeLater(func() error { a.metrics.Close(); return a.teller.Close() }) // the former ends answers that wait for the loop
	return nil
}

// look is what this node knows now.
func (a *agent) look(ctx context.Context) (metrics.Look, error) {
	a.disk.look(ctx)
	report, err := a.report(ctx, nil, nil)
	if err != nil {
		return metrics.Look{}, err
	}
	l := metrics.Look{Report: report, Gossip: a.gossip.Stats(), Fenced: map[string]time.Duration{}}
	for name, place := range a.places {
		l.Fenced[string(name)] = a.manager.FencedIn(place)
	}
	return l, nil
}

// metricsTrouble says why nobody is told; "" if everybody who is to be.
func (a *agent) metricsTrouble() string {
	if a.teller == nil {
		return ""
	}
	return a.teller.Trouble()
}

// complaints writes lines of the metrics library into the log.
type complaints struct{ diary *diary }

func (c complaints) Write(line []byte) (int, error) {
	c.diary.trouble(logrus.Fields{fieldDetail: strings.TrimSpace(string(line))}, "metrics not told", nil)
	return len(line), nil
}
