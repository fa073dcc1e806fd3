package size

import (
	"fmt"
	"runtime"
	"time"

	"memvip/agent/core"
)

// Load is what a stretch of a cluster's life cost one node of a kind, on average over all of that kind.
type Load struct {
	Nodes   int           // of the kind
	Time    time.Duration // simulated
	Traffic Traffic
	Work    Work
	Codec   time.Duration // of a real processor: to write what was sent and to read what was heard, by samples
}

// PerSecond is how much of something there was in a simulated second.
func (l Load) PerSecond(of int) float64 {
	if l.Nodes == 0 || l.Time == 0 {
		return 0
	}
	return float64(of) / float64(l.Nodes) / l.Time.Seconds()
}

// Busy is the share of one processor that the steps of one node took.
func (l Load) Busy() float64 { return l.share(l.Work.All().Took) }

// CodecBusy is the share that writing and reading packets took.
func (l Load) CodecBusy() float64 { return l.share(l.Codec) }

func (l Load) share(took time.Duration) float64 {
	if l.Nodes == 0 || l.Time == 0 {
		return 0
	}
	return took.Seconds() / float64(l.Nodes) / l.Time.Seconds()
}

// Measure returns what a part of the cluster's life costs the voters and the other nodes, beside what live returns.
func (w *World) Measure(live func() error) (voters, others Load, err error) {
	runtime.LockOSThread() // whose clock is read
	defer runtime.UnlockOSThread()
	for _, n := range w.nodes {
		n.traffic, n.work = Traffic{}, Work{}
	}
	w.weigh = scales{}
	from := w.now
	err = live()
	for _, n := range w.nodes {
		kind := &others
		if n.voter {
			kind = &voters
		}
		kind.Nodes++
		kind.Traffic = kind.Traffic.plus(n.traffic)
		kind.Work = kind.Work.plus(n.work)
	}
	for _, l := range []*Load{&voters, &others} {
		l.Time = time.Duration(w.now - from)
		l.Codec = w.codecTime(l.Traffic)
	}
	return voters, others, err
}

// Unsendable says why gossip could not have written some of the messages since the last Measure began; nil if it could.
func (w *World) Unsendable() error { return w.weigh.trouble() }

// codecTime is what writing and reading packets took: half of each sample for either.
func (w *World) codecTime(t Traffic) time.Duration {
	took := func(f Flow, sent int, kind string) time.Duration {
		return time.Duration(sent+f.Received) * w.weigh.took(kind) / 2
	}
	// A state is written once for all.
	states := t.States.Sent / max(1, len(w.nodes)-1)
	return took(t.Claims, t.Claims.Sent, fmt.Sprintf("%T", core.Claim{})) + took(t.Answers, t.Answers.Sent, fmt.Sprintf("%T", core.Answer{})) +
		took(t.States, states, "state")
}

func (t Traffic) plus(o Traffic) Traffic {
	return Traffic{t.Claims.plus(o.Claims), t.Answers.plus(o.Answers), t.States.plus(o.States), t.Others.plus(o.Others)}
}

// Leases is the sum of all but states.
func (t Traffic) Leases() Flow { return t.Claims.plus(t.Answers).plus(t.Others) }

func (f Flow) plus(o Flow) Flow {
	return Flow{f.Sent + o.Sent, f.Received + o.Received, f.SentBytes + o.SentBytes, f.ReceivedBytes + o.ReceivedBytes}
}

func (w Work) plus(o Work) Work {
	return Work{
		w.Claims.plus(o.Claims), w.Answers.plus(o.Answers), w.States.plus(o.States), w.Ticks.plus(o.Ticks), w.Others.plus(o.Others), w.Saves + o.Saves,
	}
}

// HeapPerNode is how many bytes of memory the cluster takes, divided by its nodes. Real nodes take more: what these tell
// each other is there once for all.
func (w *World) HeapPerNode() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	n := int(m.HeapAlloc) / len(w.nodes)
	runtime.KeepAlive(w)
	return n
}
