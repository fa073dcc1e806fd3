// Package scrape reads what an agent of a lab tells Prometheus, for benchmarks that measure by the agents' own
// counts. It adds up and subtracts; what the figures mean is said where they are made, in agent/metrics.
package scrape

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"memvip/integration/lab"
)

// Port is where Config has agents tell, on the loopback address of each host.
const Port = 9750

// Config is what the agents' configuration needs for that, for lab.Options.ExtraTOML.
var Config = fmt.Sprintf("[metrics]\nlisten = \"127.0.0.1:%d\"\n", Port)

// Page is all that one agent told at one time.
type Page map[string]*dto.MetricFamily

// Host asks the agent of a host.
func Host(ctx context.Context, h *lab.Host) (Page, error) {
	var conn net.Conn
	err := h.Inside(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", Port))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", h.Name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	page, err := ask(conn)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", h.Name, err)
	}
	return page, nil
}

// ask speaks HTTP over a connection that is there already: its namespace is the host's.
func ask(conn net.Conn) (Page, error) {
	request, err := http.NewRequest(http.MethodGet, "http://agent/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the agent answers %s", response.Status)
	}
	return Read(response.Body)
}

// Read takes the text that Prometheus is told.
func Read(r io.Reader) (Page, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, err
	}
	return families, nil
}

// Sum adds the values of a metric up, over all series with these labels ("name=value", or "name!=value").
func (p Page) Sum(name string, labels ...string) float64 {
	sum := 0.0
	for _, m := range p[name].GetMetric() {
		if fits(m, labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return sum
}

func fits(m *dto.Metric, labels []string) bool {
	return !slices.ContainsFunc(labels, func(l string) bool {
		key, value, _ := strings.Cut(l, "=")
		key, not := strings.CutSuffix(key, "!")
		return (of(m, key) == value) == not
	})
}

func of(m *dto.Metric, label string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == label {
			return l.GetValue()
		}
	}
	return ""
}

// Histogram is how many observations of a metric were at most as large as each bound but no smaller bound: the sum of
// all series. The last bound is infinite.
type Histogram []Bucket

// Bucket is one bound of a histogram.
type Bucket struct {
	UpTo  float64
	Count int
}

// Histogram returns a metric's, in the order of its bounds; nil if there is none.
func (p Page) Histogram(name string) Histogram {
	var h Histogram
	for _, m := range p[name].GetMetric() {
		below := uint64(0)
		for _, b := range m.GetHistogram().GetBucket() {
			h.add(b.GetUpperBound(), int(b.GetCumulativeCount()-below))
			below = b.GetCumulativeCount()
		}
	}
	return h
}

func (h *Histogram) add(upTo float64, n int) {
	i, found := slices.BinarySearchFunc(*h, upTo, func(b Bucket, x float64) int {
		switch {
		case b.UpTo < x:
			return -1
		case b.UpTo > x:
			return 1
		}
		return 0
	})
	if !found {
		*h = slices.Insert(*h, i, Bucket{UpTo: upTo})
	}
	(*h)[i].Count += n
}

// Minus is what was added to a histogram since an earlier look.
func (h Histogram) Minus(earlier Histogram) Histogram {
	rest := slices.Clone(h)
	for _, b := range earlier {
		rest.add(b.UpTo, -b.Count)
	}
	return rest
}

// Total is how many observations there are.
func (h Histogram) Total() int {
	n := 0
	for _, b := range h {
		n += b.Count
	}
	return n
}
