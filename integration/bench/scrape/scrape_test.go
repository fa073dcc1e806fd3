package scrape

import (
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const text = `# TYPE taken counter
taken{vip="a",cause="hint"} 2
taken{vip="b",cause="hint"} 3
taken{vip="b",cause="continue"} 7
# TYPE held gauge
held{vip="a"} 1
# TYPE left histogram
left_bucket{le="0.1"} 1
left_bucket{le="0.5"} 4
left_bucket{le="+Inf"} 9
left_sum 3
left_count 9
`

func page(t *testing.T) Page {
	t.Helper()
	p, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSum(t *testing.T) {
	p := page(t)
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"taken", nil, 12}, {"taken", []string{"vip=b"}, 10}, {"taken", []string{"vip=b", "cause!=continue"}, 3},
		{"taken", []string{"other=x"}, 0}, {"held", nil, 1}, {"missing", nil, 0},
	} {
		if got := p.Sum(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s %v: %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	h := page(t).Histogram("left")
	inf := math.Inf(1)
	if diff := cmp.Diff(Histogram{{0.1, 1}, {0.5, 3}, {inf, 5}}, h); diff != "" {
		t.Error(diff)
	}
	if h.Total() != 9 {
		t.Errorf("%d in all, want 9", h.Total())
	}
	earlier := Histogram{{0.1, 1}, {0.5, 1}, {inf, 0}}
	if diff := cmp.Diff(Histogram{{0.1, 0}, {0.5, 2}, {inf, 5}}, h.Minus(earlier)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Histogram{{0.1, 1}, {0.3, -2}, {0.5, 3}, {inf, 5}}, h.Minus(Histogram{{0.3, 2}})); diff != "" {
		t.Error(diff)
	}
	if h := page(t).Histogram("missing"); h != nil {
		t.Errorf("%v of a metric that is not there", h)
	}
}

func TestAsk(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text:                 "",
		"HTTP/1.1 503 Too Busy\r\nContent-Length: 0\r\n\r\n":                  "503",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nnothing { that is right": "error",
		"": "EOF",
	} {
		ours, theirs := net.Pipe()
		served := make(chan error, 1)
		go func() {
			buf := make([]byte, 4096)
			_, read := theirs.Read(buf)
			_, write := theirs.Write([]byte(answer))
			served <- errors.Join(read, write, theirs.Close())
		}()
		p, err := ask(ours)
		switch {
		case want == "" && (err != nil || p.Sum("held") != 1):
			t.Errorf("%q: %v, %v", answer, p, err)
		case want != "" && err == nil:
			t.Errorf("%q: no error, want %s", answer, want)
		case want == "503" && !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, want %s", answer, err, want)
		}
		if err := errors.Join(<-served, ours.Close()); err != nil {
			t.Error(err)
		}
	}
}
