package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"memvip/agent/core"
	"memvip/health"
)

// Recorder counts what happens. The run loop tells it of events, effects and steps, from one goroutine; the probers tell
// it of observations. It adds numbers up and keeps nobody waiting.
type Recorder struct {
	lease time.Duration    // of this node's leases
	wall  func() time.Time // the time of day
	vips  map[core.Name]*vipTrace
	began map[string]core.Instant // of the flush under way, by instance

	counters   map[*Family]*prometheus.CounterVec
	gauges     map[*Family]*prometheus.GaugeVec
	histograms map[*Family]*prometheus.HistogramVec
}

// vipTrace is what is remembered of a VIP from one event to the next.
type vipTrace struct {
	claimed core.Cause   // why the newest claim was made
	until   core.Instant // end of the lease as ordered last; zero: no lease
	coming  core.Homecoming
	since   core.Instant // of coming; zero: not told yet
}

func newRecorder(o Options) *Recorder {
	r := &Recorder{
		lease: o.Lease, wall: time.Now, vips: map[core.Name]*vipTrace{}, began: map[string]core.Instant{},
		counters: map[*Family]*prometheus.CounterVec{}, gauges: map[*Family]*prometheus.GaugeVec{}, histograms: map[*Family]*prometheus.HistogramVec{},
	}
	for _, f := range families {
		switch {
		case !f.counted:
		case f.Kind == KindCounter:
			r.counters[f] = f.newCounter()
		case f.Kind == KindGauge:
			r.gauges[f] = f.newGauge()
		case f.Kind == KindHistogram:
			r.histograms[f] = f.newHistogram()
		}
	}
	r.prepare(o)
	return r
}

// Causes that end or begin a node's part in a VIP, as far as they are told before they happen; see prepare.
var (
	takenFor    = []core.Cause{core.CauseHint, core.CauseSuccessor, core.CauseRetry, core.CauseReclaim, core.CauseContinue}
	releasedFor = []core.Cause{
		core.CauseInstanceDown, core.CauseLeaseLost, core.CauseHandback, core.CauseDrain, core.CauseStop, core.CauseMove,
		core.CauseMakeRoom, core.CauseLinkDown, core.CauseDisk, core.CauseCheck, core.CauseAddress,
	}
	kinds = []string{"claim", "answer", "release", "ack", "hint", "ask", "ask_reply", "stand_by", "decline"}
)

// prepare begins series at 0 whose first count matters: Prometheus sees no increase in a series that begins with 1.
func (r *Recorder) prepare(o Options) {
	for _, v := range o.VIPs {
		r.vips[v] = &vipTrace{}
		for _, c := range takenFor {
			r.counter(taken, string(v), string(c))
		}
		for _, c := range releasedFor {
			r.counter(released, string(v), string(c))
		}
	}
	for _, in := range o.Instances {
		r.counter(flushes, in.Name, "proved")
		r.counter(flushes, in.Name, "failed")
		r.counter(proofs, in.Name, string(core.CauseProof))
		r.counter(proofs, in.Name, string(core.CauseRestart))
		r.counter(restarts, in.Name)
		for _, k := range []health.Kind{health.KeptOpen, health.Fresh} {
			r.histograms[probeTime].WithLabelValues(in.Name, k.String())
			for _, outcome := range []health.Outcome{health.TimedOut, health.Refused, health.AnsweredFull} {
				r.counter(probeFailures, in.Name, k.String(), outcome.String())
			}
		}
		for _, why := range []health.Reason{health.ReasonExited, health.ReasonTimeout, health.ReasonRefused, health.ReasonClosed, health.ReasonWorkerStuck} {
			r.counter(downs, in.Name, why.String())
		}
	}
	for _, k := range kinds {
		r.counter(received, k)
		r.counter(sent, k)
	}
	r.counter(fenceFailed)
	for _, f := range []*Family{outage, flushTime, leaseAtRenew, stepTime} {
		r.histograms[f].WithLabelValues()
	}
}

func (r *Recorder) counter(f *Family, labels ...string) prometheus.Counter {
	return r.counters[f].WithLabelValues(labels...)
}

func (r *Recorder) observe(f *Family, value float64, labels ...string) {
	r.histograms[f].WithLabelValues(labels...).Observe(value)
}

// collectors are what there is to register.
func (r *Recorder) collectors() []prometheus.Collector {
	var list []prometheus.Collector
	for _, f := range families {
		switch {
		case !f.counted:
		case f.Kind == KindCounter:
			list = append(list, r.counters[f])
		case f.Kind == KindGauge:
			list = append(list, r.gauges[f])
		case f.Kind == KindHistogram:
			list = append(list, r.histograms[f])
		}
	}
	return list
}

// Heard takes an event that the machine is about to be told.
func (r *Recorder) Heard(at core.Instant, ev core.Event) {
	switch e := ev.(type) {
	case core.Received:
		if kind := kindOf(e.Msg); kind != "" {
			r.counter(received, kind).Inc()
		}
	case core.FlushDone:
		r.flushed(at, e.Instance, "proved")
	case core.FlushFailed:
		r.flushed(at, e.Instance, "failed")
	case core.InstanceWentDown:
		r.counter(downs, e.Instance, e.Reason).Inc()
	case core.AddressLost:
		if e.Fence {
			r.counter(fenceFailed).Inc()
		}
	default: // the rest is seen in what comes of it
	}
}

// flushed counts the end of a flush. Only one that was proved says how long that takes.
func (r *Recorder) flushed(at core.Instant, instance, result string) {
	r.counter(flushes, instance, result).Inc()
	if began, ok := r.began[instance]; ok && result == "proved" {
		r.observe(flushTime, at.Sub(began).Seconds())
	}
	delete(r.began, instance)
}

// Ordered takes an effect that is about to be carried out.
func (r *Recorder) Ordered(at core.Instant, effect core.Effect) {
	switch e := effect.(type) {
	case core.Send:
		if kind := kindOf(e.Msg); kind != "" {
			r.counter(sent, kind).Inc()
		}
	case core.FlushInstance:
		r.began[e.Instance] = at
	case core.RestartInstance:
		r.counter(restarts, e.Instance).Inc()
	case core.TakeAddress:
		r.leaseEnds(e.Name, e.Until)
	case core.ProlongAddress:
		r.renewed(at, e.Name, e.Until)
	case core.DropAddress:
		r.leaseEnds(e.Name, 0)
	case core.PublishState:
		r.published(at, e.State)
	case core.Transition:
		r.changed(e)
	default: // the rest is nobody's business
	}
}

// Done is of no use here.
func (*Recorder) Done(core.Effect) {}

// Stepped takes the time from an event to the last of its effects.
func (r *Recorder) Stepped(took time.Duration) { r.observe(stepTime, took.Seconds()) }

func (r *Recorder) leaseEnds(name core.Name, until core.Instant) {
	if v := r.vips[name]; v != nil {
		v.until = until
	}
}

// renewed notes what was left of a lease that has become longer.
func (r *Recorder) renewed(at core.Instant, name core.Name, until core.Instant) {
	v := r.vips[name]
	if v == nil || until <= v.until {
		return
	}
	if v.until != 0 && r.lease > 0 {
		r.observe(leaseAtRenew, max(0, v.until.Sub(at).Seconds())/r.lease.Seconds())
	}
	v.until = until
}

// published adds up what this node's homecomings have waited for since it last told of itself, some time within the last
// second.
func (r *Recorder) published(at core.Instant, s core.NodeState) {
	for i := range s.VIPs {
		v := r.vips[s.VIPs[i].Name]
		if v == nil {
			continue
		}
		if v.since != 0 && v.coming != core.NotAway {
			r.counter(waits, string(s.VIPs[i].Name), v.coming.String()).Add(at.Sub(v.since).Seconds())
		}
		v.coming, v.since = s.VIPs[i].Coming, at
	}
}

// changed counts what a VIP comes and goes by, and proofs.
func (r *Recorder) changed(t core.Transition) {
	v := r.vips[t.Name]
	switch {
	case v == nil: // the node itself, an instance, or the slot of hand-backs
	case t.Instance != "":
		if t.To == "clean" {
			r.counter(proofs, t.Instance, string(t.Cause)).Inc()
		}
	case t.To == core.Candidate.String():
		v.claimed = t.Cause
	case t.To == core.Holding.String() && t.From == core.Taking.String():
		r.counter(taken, string(t.Name), string(v.claimed)).Inc()
		r.gauges[lastTaken].WithLabelValues(string(t.Name)).Set(float64(r.wall().UnixMilli()) / 1e3)
		if t.Gap > 0 {
			r.observe(outage, t.Gap.Seconds())
			r.gauges[lastOutage].WithLabelValues(string(t.Name)).Set(t.Gap.Seconds())
		}
	case t.From == core.Holding.String() && t.To == core.Dropping.String():
		r.counter(released, string(t.Name), string(t.Cause)).Inc()
	}
}

// kindOf names a message; "" for one that is none of the lease's.
func kindOf(msg core.Message) string {
	switch msg.(type) {
	case core.Claim:
		return "claim"
	case core.Answer:
		return "answer"
	case core.Release:
		return "release"
	case core.Ack:
		return "ack"
	case core.Hint:
		return "hint"
	case core.Ask:
		return "ask"
	case core.AskReply:
		return "ask_reply"
	case core.StandBy:
		return "stand_by"
	case core.Decline:
		return "decline"
	}
	return ""
}

// Probed returns what takes the observations of one instance's prober, from any one goroutine.
func (r *Recorder) Probed(instance string) func(health.Observation) {
	return func(o health.Observation) {
		switch {
		case o.Kind == health.Process, o.Outcome == health.Settled, o.Outcome == health.Lost:
		case o.Outcome == health.Answered:
			r.observe(probeTime, o.At.Sub(o.Sent).Seconds(), instance, o.Kind.String())
		default:
			r.counter(probeFailures, instance, o.Kind.String(), o.Outcome.String()).Inc()
		}
	}
}
