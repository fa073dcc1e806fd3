package metrics

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"memvip/agent/core"
	"memvip/health"
)

var rewrite = flag.Bool("rewrite", false, "write the answers anew")

// eventful has happened to a node everything that there is a metric for.
func eventful(t *testing.T) *Metrics {
	t.Helper()
	s := memcachedGone("cache1")
	s.node("cache3").State.DiskError = "no space left on device"
	m := newMetrics(t, "cache1", s.look)
	m.vips[vipOf(0)].claimed = core.CauseHint
	m.Ordered(1, core.Transition{Name: vipOf(0), From: "taking", To: "holding", Gap: time.Second})
	m.Ordered(1, core.PublishState{State: core.NodeState{VIPs: []core.VIPState{{Name: vipOf(0), Coming: core.AwayTainted}}}})
	m.Ordered(2, core.PublishState{State: core.NodeState{VIPs: []core.VIPState{{Name: vipOf(0), Coming: core.AwayTainted}}}})
	m.Probed(instance)(health.Observation{Kind: health.KeptOpen, Outcome: health.Answered})
	return m
}

// Every metric keeps to Prometheus' conventions, is told when there is something to tell, and has the labels that it was
// defined with; and nothing is told that is not defined.
func TestFamilies(t *testing.T) {
	m := eventful(t)
	complaints, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range complaints {
		t.Errorf("%s: %s", c.Metric, c.Text)
	}
	told := map[string]*dto.MetricFamily{}
	gathered, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range gathered {
		told[f.GetName()] = f
	}
	for _, f := range Families() {
		got := told[f.Name]
		delete(told, f.Name)
		if got == nil {
			if !slices.Contains([]string{cacheBytes.Name}, f.Name) { // the pretended memcached does not know it
				t.Errorf("%s is never told", f.Name)
			}
			continue
		}
		want := slices.Sorted(slices.Values(append([]string{labelCluster, labelNode}, f.Labels...)))
		for _, series := range got.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				labels = append(labels, l.GetName())
				if l.GetValue() == "" {
					t.Errorf("%s: the label %s is empty", f.Name, l.GetName())
				}
			}
			if slices.Sort(labels); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %q, want %q", f.Name, labels, want)
			}
		}
		if got.GetHelp() != f.Help || !strings.HasSuffix(f.Help, ".") || len(f.Help) < 12 {
			t.Errorf("%s is described as %q", f.Name, got.GetHelp())
		}
		if kind := strings.ToLower(got.GetType().String()); kind != string(f.Kind) {
			t.Errorf("%s is a %s, want a %s", f.Name, kind, f.Kind)
		}
	}
	for name := range maps.Keys(told) {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s is told and not defined", name)
		}
	}
}

// What three nodes tell, in two situations, is kept in testdata: to be read, and for the alert rules' tests.
func TestTold(t *testing.T) {
	for name, situation := range map[string]func(string) *situation{"healthy": healthy, "memcached_gone": memcachedGone} {
		for _, node := range nodes {
			m := newMetrics(t, node, situation(node).look)
			file := filepath.Join("testdata", name+"."+node+".txt")
			got := exposition(t, m)
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// exposition is what is told, without what differs from run to run.
func exposition(t *testing.T, m *Metrics) []byte {
	t.Helper()
	gathered, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range gathered {
		name := f.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if name == stateAge.Name || name == cacheUptime.Name {
			f.Metric[0].Gauge.Value = new(float64)
		}
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.Bytes()
}
