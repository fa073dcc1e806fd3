//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// residentMax is what an agent may keep of a host's memory, metrics and all.
const residentMax = 30 << 20

// scrape is what an agent tells Prometheus, by series.
type scrape map[string]float64

// metrics asks the agent of a host at a port of its loopback address; nil if nobody answers there.
func (c *cluster) metrics(t *testing.T, h *lab.Host, port int) scrape {
	t.Helper()
	var body []byte
	must(t, h.Inside(func() error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) // http's client would dial elsewhere, on a thread of its own
		if err != nil {
			return nil
		}
		defer conn.Close()
		deadline, _ := within(t).Deadline()
		must(t, conn.SetDeadline(deadline))
		request, err := http.NewRequest(http.MethodGet, "http://"+conn.RemoteAddr().String()+"/metrics", nil)
		must(t, err)
		must(t, request.Write(conn))
		response, err := http.ReadResponse(bufio.NewReader(conn), request)
		if err != nil {
			return fmt.Errorf("metrics of %s: %w", h.Name, err)
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("metrics of %s: %s", h.Name, response.Status)
		}
		body, err = io.ReadAll(response.Body)
		return err
	}))
	if body == nil {
		return nil
	}
	all := scrape{}
	for line := range bytes.Lines(body) {
		series, value, ok := strings.Cut(strings.TrimSpace(string(line)), "} ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[series+"}"] = number
		}
	}
	return all
}

// of returns a metric's value that a host's agent tells, with these labels ("name=value") besides.
func (m scrape) of(h *lab.Host, name string, labels ...string) float64 {
	labels = append(labels, "cluster=lab", "node="+h.Name)
	slices.Sort(labels)
	for i, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		labels[i] = fmt.Sprintf("%s=%q", key, value)
	}
	return m["memvip_"+name+"{"+strings.Join(labels, ",")+"}"]
}

// Where agents tell, and memcached as they call it.
const (
	metricsPort  = 9750
	metricsLater = 9751 // after a reload
	metricsOf    = "memcached=127.0.0.1:11211"
)

// TestMetrics: memcached is killed on one host and hangs on another. What the third tells shows both moves, with their
// cause, the time without a holder, and the leases that it has now; and when they are over, that the VIPs went home. The
// homes tell why they let go, what they waited for and how they were proved. A reload tells elsewhere.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, ExtraTOML: fmt.Sprintf("[metrics]\nlisten = \":%d\"", metricsPort)})
	dead, hung, here := c.Hosts[0], c.Hosts[1], c.Hosts[2]
	c.awaitStatus(t, here, int(control.AllWell))
	flushed := c.metrics(t, hung, metricsPort).of(hung, "flushes_total", metricsOf, "result=proved")
	for _, h := range []*lab.Host{dead, hung} {
		// For how long nobody held a VIP is known to those who have heard that it was held for longer than a heartbeat.
		await(t, h.Name+" has renewed its lease three times", func() bool { return c.metrics(t, h, metricsPort).of(h, "lease_renewal_left_ratio_count") >= 3 })
	}

	struck(t)(dead.Memcached().Kill())
	struck(t)(hung.Memcached().Freeze())
	for _, v := range c.VIPs[:2] {
		c.tellsTheMove(t, here, v)
	}
	var m scrape
	await(t, dead.Name+" tells that memcached is dead, also when asked for its figures, and that it let go for that", func() bool {
		m = c.metrics(t, dead, metricsPort)
		return m.of(dead, "memcached_up", metricsOf) == 0 && m.of(dead, "memcached_stats_up", metricsOf) == 0 && m.of(dead, "vip_released_total", vipLabel(c.VIPs[0]), "cause=instance_down") > 0
	})

	must(t, dead.Memcached().Start())
	struck(t)(hung.Memcached().Thaw())
	c.awaitHome(t)
	for _, v := range c.VIPs[:2] {
		await(t, here.Name+" tells that "+v.Addr.String()+" is at home", func() bool {
			m = c.metrics(t, here, metricsPort)
			return m.of(here, "vip_at_home", vipLabel(v)) == 1 && m.of(here, "vip_held", vipLabel(v)) == 0
		})
		// On a machine that is busy with other tests a stand-in may lose it before it can hand it back, and says so.
		lost := m.of(here, "memcached_downs_total", metricsOf, "reason=timeout") + m.of(here, "leases_lost_total")
		if m.of(here, "vip_released_total", vipLabel(v), "cause=handback") == 0 && lost == 0 {
			t.Errorf("%s does not tell that it handed %s back", here.Name, v.Addr)
		}
		c.tellsTheWayHome(t, v)
	}
	if now := c.metrics(t, hung, metricsPort).of(hung, "flushes_total", metricsOf, "result=proved"); now <= flushed {
		t.Errorf("%s has its VIP back with %v flushes proved, as before", hung.Name, now)
	}
	for _, h := range c.Hosts {
		n := resident(t, h)
		if t.Logf("the agent of %s has %.1f MiB in memory", h.Name, float64(n)/(1<<20)); n > residentMax {
			t.Errorf("the agent of %s has more than %d MiB in memory", h.Name, residentMax>>20)
		}
	}
	c.tellsElsewhere(t, dead)
}

func vipLabel(v lab.VIP) string { return "vip=" + v.Addr.String() }

// tellsTheMove waits until a host tells that it holds a VIP of another one, and holds it to what it tells beside that.
func (c *cluster) tellsTheMove(t *testing.T, h *lab.Host, v lab.VIP) {
	t.Helper()
	label, m := vipLabel(v), scrape{}
	await(t, h.Name+" tells that it holds "+v.Addr.String(), func() bool {
		m = c.metrics(t, h, metricsPort)
		return m.of(h, "vip_held", label) == 1 && m.of(h, "vip_away_reason", label, "reason=home_instance_down") == 1
	})
	outage, bound := m.of(h, "vip_last_outage_seconds", label), m.of(h, "outage_bound_seconds", "fault=host_lost")
	t.Logf("%s: nobody held it for %.1f ms; the bound for the loss of a host is %.0f ms", v.Addr, 1e3*outage, 1e3*bound)
	for what, holds := range map[string]bool{
		"its cause":           m.of(h, "vip_taken_total", label, "cause=successor")+m.of(h, "vip_taken_total", label, "cause=hint") > 0,
		"its outage":          outage > 0 && bound > 0 && m.of(h, "vip_outage_seconds_count") > 0,
		"its lease":           m.of(h, "vip_lease_left_seconds", label) > 0 && m.of(h, "vip_lease_grants", label) >= 2,
		"its address":         m.of(h, "vip_address_up", label) == 1 && m.of(h, "vip_fence_open_seconds", label) > 0,
		"its place":           m.of(h, "vip_served", label) == 1 && m.of(h, "vip_at_home", label) == 0 && m.of(h, "vip_holder", label, "holder="+h.Name) == 1,
		"its messages":        m.of(h, "messages_received_total", "kind=hint") > 0 && m.of(h, "messages_sent_total", "kind=claim") > 0,
		"its announcements":   m.of(h, "announcements_total", "result=sent") > 0,
		"memcached's figures": m.of(h, "memcached_stats_up", metricsOf) == 1 && m.of(h, "memcached_max_connections", metricsOf) > 0 && m.of(h, "memcached_uptime_seconds", metricsOf) > 0,
	} {
		if !holds {
			t.Errorf("%s holds %s and does not tell %s", h.Name, v.Addr, what)
		}
	}
}

// tellsTheWayHome demands that a home which has its VIP back tells what it waited for and how it was proved.
func (c *cluster) tellsTheWayHome(t *testing.T, v lab.VIP) {
	t.Helper()
	h, m := v.Home, c.metrics(t, v.Home, metricsPort)
	if m.of(h, "proofs_total", metricsOf, "cause=restart")+m.of(h, "proofs_total", metricsOf, "cause=proof") < 2 {
		t.Errorf("%s does not tell how its memcached was proved", h.Name)
	}
	waited := 0.0
	for _, reason := range []string{"ineligible", "tainted", "delay", "slot", "asked"} {
		waited += m.of(h, "handback_wait_seconds_total", vipLabel(v), "reason="+reason)
	}
	if waited <= 0 || m.of(h, "vip_taken_total", vipLabel(v), "cause=successor")+m.of(h, "vip_taken_total", vipLabel(v), "cause=hint") < 2 {
		t.Errorf("%s waited for %v s and does not tell that it has its VIP again", h.Name, waited)
	}
}

// tellsElsewhere has one host reload a configuration with another port. Nothing moves, and that is what it tells.
func (c *cluster) tellsElsewhere(t *testing.T, h *lab.Host) {
	t.Helper()
	text, err := os.ReadFile(c.Config())
	must(t, err)
	must(t, os.WriteFile(c.Config(), bytes.Replace(text, []byte(strconv.Itoa(metricsPort)), []byte(strconv.Itoa(metricsLater)), 1), 0o644))
	label := vipLabel(c.VIPs[0])
	epoch := c.metrics(t, h, metricsPort).of(h, "vip_epoch", label)
	c.ctl(t, h, 0, h.Name+" runs with", "reload", h.Name)
	await(t, h.Name+" tells at another port that it holds its VIP", func() bool { return c.metrics(t, h, metricsLater).of(h, "vip_held", label) == 1 })
	if c.metrics(t, h, metricsPort) != nil {
		t.Errorf("%s still tells at its former port", h.Name)
	}
	m := c.metrics(t, h, metricsLater)
	if now := m.of(h, "vip_epoch", label); now != epoch || m.of(h, "vip_taken_total", label, "cause=continue") != 1 || m.of(h, "vip_outage_seconds_count") != 0 {
		t.Errorf("after the reload: epoch %v, was %v; %v outages", now, epoch, m.of(h, "vip_outage_seconds_count"))
	}
}

// resident is how much memory the agent of a host keeps, in bytes.
func resident(t *testing.T, h *lab.Host) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Agent().PID()))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			must(t, err)
			return kib << 10
		}
	}
	t.Fatalf("no VmRSS of the agent of %s", h.Name)
	return 0
}
