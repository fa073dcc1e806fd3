package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// serve answers for m at an address that is free, until the test ends.
func serve(t *testing.T, m *Metrics) (url string, s *Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s = Serve(address, m.Handler(), func(err error) { t.Errorf("not served: %v", err) })
	t.Cleanup(func() {
		m.Close()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	url = "http://" + address.String()
	eventually(t, "it answers", func() bool {
		_, err := ask(t, http.MethodGet, url)
		return err == nil
	})
	return url, s
}

// ask asks over a connection of its own.
func ask(t *testing.T, method, url string) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err == nil {
		t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// GET is answered at /metrics, with a line at /, and nothing else is.
func TestAnswers(t *testing.T) {
	url, _ := serve(t, newMetrics(t, "cache1", healthy("cache1").look))
	for _, c := range []struct {
		method, path string
		code         int
		says         string
	}{
		{"GET", "/metrics", 200, `memvip_vip_held{cluster="cache-prod",node="cache1",vip="10.0.0.101"} 1`},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "/", 200, "metrics are at /metrics"},
		{"POST", "/metrics", 405, ""},
		{"GET", "/metrics/", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
	} {
		response, err := ask(t, c.method, url+c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.code || !strings.Contains(string(body), c.says) {
			t.Errorf("%s %s: %s, want %d and %q:\n%.300s", c.method, c.path, response.Status, c.code, c.says, body)
		}
	}
}

// A loop that stands still has an answer all the same, which says so.
func TestAnswersWithoutTheLoop(t *testing.T) {
	m := newMetrics(t, "cache1", func(ctx context.Context) (Look, error) {
		<-ctx.Done()
		return Look{}, ctx.Err()
	})
	url, _ := serve(t, m)
	response, err := ask(t, "GET", url+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", response.Status, err)
	}
	for _, says := range []string{"memvip_state_age_seconds{", "memvip_memcached_stats_up{", "memvip_messages_sent_total{"} {
		if !strings.Contains(string(body), says) {
			t.Errorf("without the loop nothing says %s", says)
		}
	}
	if strings.Contains(string(body), "memvip_vip_held") || strings.Contains(string(body), `memvip_state_age_seconds{cluster="cache-prod",node="cache1"} 0`+"\n") {
		t.Errorf("a state that was never known is told:\n%s", body)
	}
}

// A fault of ours costs what it is in, and is said; the rest is told, and the process lives.
func TestAnswersInSpiteOfAFault(t *testing.T) {
	for name, look := range map[string]func(context.Context) (Look, error){
		"panic: too much": func(context.Context) (Look, error) { panic("too much") },
		"label value":     func(ctx context.Context) (Look, error) { return unreadable().look(ctx) },
	} {
		var said bytes.Buffer
		o := optionsOf("cache1", look)
		o.Complain = log.New(&said, "", 0)
		m := New(o)
		url, _ := serve(t, m)
		response, err := ask(t, "GET", url+"/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "memvip_messages_sent_total{") {
			t.Errorf("%s: %s, %v:\n%.300s", name, response.Status, err, body)
		}
		if !strings.Contains(said.String(), name) {
			t.Errorf("%s: said %q", name, said.String())
		}
	}
}

// unreadable has a holder whose name is no text.
func unreadable() *situation {
	s := healthy("cache1")
	s.status.VIPs[1].Holder = "cache\xff"
	return s
}

// An address that another has is tried again until it is free.
func TestAddressTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 100)
	s := Serve(netip.MustParseAddrPort(other.Addr().String()), http.NotFoundHandler(), func(err error) { failed <- err })
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "address already in use") || s.Trouble() != err.Error() {
			t.Errorf("failed with %v, in trouble: %q", err, s.Trouble())
		}
	case <-time.After(patience):
		t.Fatal("a taken address is no trouble")
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the address is had once it is free", func() bool {
		response, err := ask(t, "GET", "http://"+other.Addr().String())
		return err == nil && response.StatusCode == http.StatusNotFound
	})
	if s.Trouble() != "" {
		t.Errorf("still in trouble: %s", s.Trouble())
	}
}

// Close ends an answer that is in the making, and then the address is free.
func TestCloseWhileAnswering(t *testing.T) {
	looking, ended := make(chan struct{}, 1), make(chan error, 1)
	m := newMetrics(t, "cache1", func(ctx context.Context) (Look, error) {
		looking <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return Look{}, ctx.Err()
	})
	url, s := serve(t, m)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = ask(t, "GET", url+"/metrics") // whatever it hears
	}()
	<-looking
	m.Close()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the loop was waited for until %v, want %v", err, context.Canceled)
	}
	<-answered
	l, err := net.Listen("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}
