package metrics

import (
	"context"
	"log"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"memvip/agent/core"
	"memvip/flush/memcached"
)

// scrapesMax is how many may ask for metrics at once; a further one is told to come back.
const scrapesMax = 4

// Options say whose metrics they are.
type Options struct {
	Cluster, Node string
	Lease         time.Duration // of this node's leases
	VIPs          []core.Name
	Instances     []Instance // of this node

	// Look returns what the agent knows now. It returns when its context ends, at the latest.
	Look func(context.Context) (Look, error)
	// Complain takes what is said of metrics that could not be told.
	Complain *log.Logger
}

// Instance is one memcached of this node.
type Instance struct {
	Name    string // as the agent calls it
	Address netip.AddrPort
}

// Metrics are those of one life of an agent.
type Metrics struct {
	*Recorder
	registry *prometheus.Registry
	complain *log.Logger
	caches   []*cache
	cancel   context.CancelFunc // of looks and questions under way
}

// New returns metrics of which nothing is told yet.
func New(o Options) *Metrics {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Metrics{Recorder: newRecorder(o), registry: prometheus.NewRegistry(), complain: o.Complain, cancel: cancel}
	for _, in := range o.Instances {
		m.caches = append(m.caches, &cache{ctx: ctx, name: in.Name, address: in.Address, dial: memcached.Dial})
	}
	all := prometheus.WrapRegistererWith(prometheus.Labels{labelCluster: o.Cluster, labelNode: o.Node}, m.registry)
	all.MustRegister(m.collectors()...)
	all.MustRegister(&collector{looks: &looker{ctx: ctx, look: o.Look, at: time.Now()}, caches: m.caches, complain: o.Complain})
	all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers GET /metrics, and / with a line of text.
func (m *Metrics) Handler() http.Handler {
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: m.complain, DisableCompression: true, MaxRequestsInFlight: scrapesMax}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, options))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("memvip-agent: its metrics are at /metrics\n")) // whoever went away needs no answer
	})
	return mux
}

// Close ends looks and questions under way: what is asked for from now on has no state, or an old one.
func (m *Metrics) Close() {
	m.cancel()
	for _, c := range m.caches {
		c.close()
	}
}
