package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is what a metric's value does.
type Kind string

// The kinds.
const (
	KindGauge     Kind = "gauge"
	KindCounter   Kind = "counter"
	KindHistogram Kind = "histogram"
)

// Labels that every metric has beside its own: the cluster, and the node whose agent tells.
const (
	labelCluster = "cluster"
	labelNode    = "node"
)

// Family is one metric as it is told, in any number of series.
type Family struct {
	Name   string
	Help   string // what its value is, in a sentence
	Kind   Kind
	Labels []string // without cluster and node, which all have

	counted bool // by the recorder; else read from a look
	buckets []float64
	desc    *prometheus.Desc
}

// families are all of them, in the order of their definition.
var families []*Family

// Families returns every metric that an agent tells of itself. Those of the Go runtime and of the process come from the
// client library, and are not among them.
func Families() []Family {
	list := make([]Family, len(families))
	for i, f := range families {
		list[i] = *f
		list[i].Labels = slices.Clone(f.Labels)
	}
	return list
}

// Series returns the names that a family has in Prometheus.
func (f Family) Series() []string {
	if f.Kind == KindHistogram {
		return []string{f.Name + "_bucket", f.Name + "_sum", f.Name + "_count"}
	}
	return []string{f.Name}
}

func define(kind Kind, name, help string, labels []string) *Family {
	f := &Family{Name: "memvip_" + name, Help: help, Kind: kind, Labels: labels}
	f.desc = prometheus.NewDesc(f.Name, help, labels, nil)
	families = append(families, f)
	return f
}

// gauge and count are read from a look.
func gauge(name, help string, labels ...string) *Family { return define(KindGauge, name, help, labels) }
func count(name, help string, labels ...string) *Family {
	return define(KindCounter, name, help, labels)
}

// event, last and times are kept by the recorder.
func event(name, help string, labels ...string) *Family {
	f := define(KindCounter, name, help, labels)
	f.counted = true
	return f
}

func last(name, help string, labels ...string) *Family {
	f := define(KindGauge, name, help, labels)
	f.counted = true
	return f
}

func times(name, help string, buckets []float64, labels ...string) *Family {
	f := define(KindHistogram, name, help, labels)
	f.counted, f.buckets = true, buckets
	return f
}

func (f *Family) newCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)
}

func (f *Family) newGauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, f.Labels)
}

func (f *Family) newHistogram() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f.Name, Help: f.Help, Buckets: f.buckets}, f.Labels)
}

// sample is one value of a family that is read from a look. One that cannot be told, for a label that is no text, becomes
// an error of the whole answer, and keeps nothing else from being told.
func (f *Family) sample(value float64, labels ...string) prometheus.Metric {
	valueType := prometheus.GaugeValue
	if f.Kind == KindCounter {
		valueType = prometheus.CounterValue
	}
	m, err := prometheus.NewConstMetric(f.desc, valueType, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(f.desc, err)
	}
	return m
}
