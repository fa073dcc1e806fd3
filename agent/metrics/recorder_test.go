package metrics

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"memvip/agent/core"
	"memvip/health"
)

const ms = core.Instant(time.Millisecond)

func newRecording(t *testing.T) (*Recorder, *prometheus.Registry) {
	t.Helper()
	r := newRecorder(optionsOf("cache1", nil, Instance{Name: instance}))
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.collectors()...)
	r.wall = func() time.Time { return time.UnixMilli(1_700_000_000_500) }
	return r, registry
}

// is compares what is counted of some metrics, leaving out what is still 0.
func is(t *testing.T, registry *prometheus.Registry, want string, families ...*Family) {
	t.Helper()
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range families {
		for _, g := range gathered {
			if g.GetName() != f.Name {
				continue
			}
			for _, m := range g.GetMetric() {
				value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				if value == 0 {
					continue
				}
				got.WriteString(strings.TrimPrefix(f.Name, "memvip_"))
				for _, l := range m.GetLabel() {
					got.WriteString(" " + l.GetValue())
				}
				if h := m.GetHistogram(); h != nil {
					got.WriteString(" sum " + number(h.GetSampleSum()))
				}
				got.WriteString(" " + number(value) + "\n")
			}
		}
	}
	if strings.TrimSpace(got.String()) != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// A VIP comes and goes: by what it was claimed and let go, and how long nobody had it.
func TestComesAndGoes(t *testing.T) {
	r, registry := newRecording(t)
	v := vipOf(0)
	turns := func(turns ...core.Transition) {
		for _, turn := range turns {
			turn.Name = v
			r.Ordered(0, turn)
		}
	}
	turns(
		core.Transition{From: "idle", To: "candidate", Cause: core.CauseHint},
		core.Transition{From: "candidate", To: "idle", Cause: core.CauseRefused},
		core.Transition{From: "idle", To: "candidate", Cause: core.CauseSuccessor},
		core.Transition{From: "candidate", To: "taking", Cause: core.CauseMajority},
		core.Transition{From: "taking", To: "holding", Cause: core.CauseAddressUp, Gap: 6 * time.Millisecond},
		core.Transition{From: "holding", To: "dropping", Cause: core.CauseHandback},
		core.Transition{From: "dropping", To: "idle", Cause: core.CauseReleased},
		// Gone on with after a restart: no outage, and the last one stays the last.
		core.Transition{From: "idle", To: "candidate", Cause: core.CauseContinue},
		core.Transition{From: "candidate", To: "taking", Cause: core.CauseMajority},
		core.Transition{From: "taking", To: "holding", Cause: core.CauseAddressUp},
		// Won and lost before it was up.
		core.Transition{From: "taking", To: "dropping", Cause: core.CauseCheck},
	)
	r.Ordered(0, core.Transition{Name: core.HandbackSlot, From: "taking", To: "holding", Cause: core.CauseMajority})
	is(t, registry, `
vip_taken_total continue 10.0.0.101 1
vip_taken_total successor 10.0.0.101 1
vip_released_total handback 10.0.0.101 1
vip_last_outage_seconds 10.0.0.101 0.006
vip_last_taken_timestamp_seconds 10.0.0.101 1.7e+09
vip_outage_seconds sum 0.006 1
`, taken, released, lastOutage, lastTaken, outage)
}

// Homecomings wait for what they last told, until they tell of something else.
func TestWaits(t *testing.T) {
	r, registry := newRecording(t)
	tell := func(at core.Instant, coming core.Homecoming) {
		r.Ordered(at, core.PublishState{State: core.NodeState{VIPs: []core.VIPState{{Name: vipOf(1), Coming: coming}, {Name: "10.9.9.9", Coming: coming}}}})
	}
	tell(1000*ms, core.AwayTainted)
	tell(1500*ms, core.AwayTainted)
	tell(2000*ms, core.AwayDelay)
	tell(7000*ms, core.NotAway)
	tell(9000*ms, core.NotAway)
	is(t, registry, `
handback_wait_seconds_total delay 10.0.0.102 5
handback_wait_seconds_total tainted 10.0.0.102 1
`, waits)
}

// Flushes count by what came of them, and only a proof takes a time.
func TestFlushes(t *testing.T) {
	r, registry := newRecording(t)
	r.Ordered(1*ms, core.FlushInstance{Instance: instance})
	r.Heard(251*ms, core.FlushDone{Instance: instance})
	r.Ordered(260*ms, core.Transition{Name: vipOf(0), Instance: instance, From: "tainted", To: "clean", Cause: core.CauseProof})
	r.Ordered(260*ms, core.Transition{Name: vipOf(1), Instance: instance, From: "tainted", To: "clean", Cause: core.CauseProof})
	r.Ordered(260*ms, core.Transition{Name: vipOf(1), Instance: instance, From: "proved", To: "refused", Cause: core.CauseCheck})
	r.Ordered(300*ms, core.FlushInstance{Instance: instance})
	r.Heard(900*ms, core.FlushFailed{Instance: instance})
	r.Heard(901*ms, core.FlushDone{Instance: instance}) // of a flush that nobody saw begin
	r.Ordered(1000*ms, core.RestartInstance{Instance: instance})
	r.Heard(1001*ms, core.InstanceWentDown{Instance: instance, Reason: health.ReasonExited.String()})
	is(t, registry, `
flushes_total 127.0.0.1:11211 failed 1
flushes_total 127.0.0.1:11211 proved 2
flush_seconds sum 0.25 1
proofs_total proof 127.0.0.1:11211 2
memcached_restarts_total 127.0.0.1:11211 1
memcached_downs_total 127.0.0.1:11211 exited 1
`, flushes, flushTime, proofs, restarts, downs)
}

// What was left of a lease counts when it has become longer, and not when the same end is ordered again.
func TestRenewals(t *testing.T) {
	r, registry := newRecording(t)
	v := vipOf(2)
	r.Ordered(0, core.TakeAddress{Name: v, Until: 600 * ms})
	r.Ordered(5*ms, core.ProlongAddress{Name: v, Until: 600 * ms})
	r.Ordered(150*ms, core.ProlongAddress{Name: v, Until: 750 * ms}) // 450 ms were left
	r.Ordered(160*ms, core.ProlongAddress{Name: v, Until: 750 * ms, Gone: true})
	r.Ordered(600*ms, core.ProlongAddress{Name: v, Until: 1200 * ms}) // 150 ms
	r.Ordered(700*ms, core.DropAddress{Name: v})
	r.Ordered(5000*ms, core.TakeAddress{Name: v, Until: 5600 * ms})
	r.Ordered(5001*ms, core.ProlongAddress{Name: "10.9.9.9", Until: 5600 * ms})
	r.Heard(5002*ms, core.AddressLost{Name: v, Fence: true})
	r.Heard(5003*ms, core.AddressLost{Name: v}) // others removed it
	is(t, registry, `
lease_renewal_left_ratio sum 1 2
fence_failed_total 1
`, leaseAtRenew, fenceFailed)
	const late = `le="0.3"} 1`
	if got := bucket(t, registry); !strings.Contains(got, late) {
		t.Errorf("want one renewal with less than 0.3 left:\n%s", got)
	}
}

func bucket(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	text, err := testutil.CollectAndFormat(registry, expfmt.TypeTextPlain, leaseAtRenew.Name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Lease messages count by kind, each way.
func TestMessages(t *testing.T) {
	r, registry := newRecording(t)
	all := []core.Message{core.Claim{}, core.Answer{}, core.Release{}, core.Ack{}, core.Hint{}, core.Ask{}, core.AskReply{}, core.StandBy{}, core.Decline{}}
	for i, m := range all {
		if got := kindOf(m); got != kinds[i] {
			t.Errorf("%T is a %q, want %q", m, got, kinds[i])
		}
		r.Heard(0, core.Received{Msg: m})
	}
	r.Ordered(0, core.Send{Msg: core.Hint{}})
	r.Stepped(time.Millisecond)
	is(t, registry, `
messages_sent_total hint 1
loop_step_seconds sum 0.001 1
`, sent, stepTime)
	if got := testutil.CollectAndCount(r.counters[received]); got != len(all) {
		t.Errorf("%d kinds received, want %d", got, len(all))
	}
}

// Probes that were answered take a time, the others have a reason; what is no probe is neither.
func TestProbes(t *testing.T) {
	r, registry := newRecording(t)
	seen, at := r.Probed(instance), time.Now()
	seen(health.Observation{Kind: health.KeptOpen, Outcome: health.Answered, Sent: at, At: at.Add(250 * time.Microsecond)})
	seen(health.Observation{Kind: health.Fresh, Outcome: health.Answered, Sent: at, At: at.Add(time.Millisecond)})
	seen(health.Observation{Kind: health.KeptOpen, Outcome: health.TimedOut, Sent: at, At: at.Add(time.Second)})
	seen(health.Observation{Kind: health.Fresh, Outcome: health.BadReply, Sent: at, At: at})
	seen(health.Observation{Kind: health.Fresh, Outcome: health.Settled, Sent: at, At: at})
	seen(health.Observation{Kind: health.KeptOpen, Outcome: health.Lost, At: at})
	seen(health.Observation{Kind: health.Process, Outcome: health.Exited, At: at})
	is(t, registry, `
probe_seconds fresh 127.0.0.1:11211 sum 0.001 1
probe_seconds kept_open 127.0.0.1:11211 sum 0.00025 1
probe_failures_total fresh 127.0.0.1:11211 bad_reply 1
probe_failures_total kept_open 127.0.0.1:11211 timed_out 1
`, probeTime, probeFailures)
}

// What an alert may wait for is there before it happens first: a series that begins with 1 has no increase.
func TestPrepared(t *testing.T) {
	r, _ := newRecording(t)
	for f, want := range map[*Family]int{
		taken: 3 * len(takenFor), released: 3 * len(releasedFor), flushes: 2, proofs: 2, restarts: 1, fenceFailed: 1,
		received: len(kinds), sent: len(kinds),
	} {
		if got := testutil.CollectAndCount(r.counters[f]); got != want {
			t.Errorf("%s begins with %d series, want %d", f.Name, got, want)
		}
	}
}
