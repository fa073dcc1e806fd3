package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/metrics"
)

const metricsAddress = "127.0.0.1:19750"

// readMetrics asks for the metrics, "" if nobody answers.
func readMetrics(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddress+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An agent tells of itself where it was told to. Others on the same host, of the same file, cannot; they live and say so,
// and take the address over once it is free.
func TestMetricsAreTold(t *testing.T) {
	newLANs(t)
	config := newServedCluster(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(text, fmt.Sprintf("\n[metrics]\nlisten = %q\n", metricsAddress)...), 0o600); err != nil {
		t.Fatal(err)
	}
	home := startAgent(t, config, "h1")
	eventually(t, "h1 tells of itself", func() bool { return strings.Contains(readMetrics(t), `node="h1"`) })
	witnesses := []*running{startAgent(t, config, "w1"), startAgent(t, config, "w2")}

	held := regexp.MustCompile(`(?m)^memvip_vip_held\{cluster="test",node="h1",vip="10\.77\.0\.10[12]"\} 1$`)
	eventually(t, "h1 holds both VIPs, as told", func() bool { return len(held.FindAllString(readMetrics(t), -1)) == 2 })
	told := readMetrics(t)
	for _, says := range []string{
		`memvip_vip_taken_total\{cause="(hint|retry|successor)",cluster="test",node="h1",vip="10\.77\.0\.101"\} 1`,
		`memvip_vip_address_up\{cluster="test",node="h1",vip="10\.77\.0\.101"\} 1`,
		`memvip_vip_fence_open_seconds\{cluster="test",node="h1",vip="10\.77\.0\.101"\} 0\.\d+`,
		`memvip_flushes_total\{cluster="test",memcached="127\.0\.0\.1:\d+",node="h1",result="proved"\} [1-9]`,
		`memvip_probe_seconds_count\{cluster="test",connection="kept_open",memcached="127\.0\.0\.1:\d+",node="h1"\} [1-9]`,
		`memvip_memcached_stats_up\{cluster="test",memcached="127\.0\.0\.1:\d+",node="h1"\} 1`,
		`memvip_messages_received_total\{cluster="test",kind="answer",node="h1"\} [1-9]`,
		`memvip_lease_renewal_left_ratio_count\{cluster="test",node="h1"\} \d`,
		`memvip_announcements_total\{cluster="test",node="h1",result="sent"\} [1-9]`,
	} {
		if !regexp.MustCompile(says).MatchString(told) {
			t.Errorf("nothing says %s in\n%s", says, told)
		}
	}

	client := control.Client{Path: filepath.Join(witnesses[0].dir, control.SocketName), Timeout: patience}
	eventually(t, "w1 says why nobody is told", func() bool {
		report, _, err := client.Status(t.Context())
		return err == nil && slices.ContainsFunc(report.Problems, func(p control.Problem) bool {
			return p.Code == control.ProblemMetrics && p.Severity == control.SeverityNote && strings.Contains(p.Text, "address already in use")
		})
	})
	report, _, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range report.Counters {
		if !metrics.Tells(name) {
			t.Errorf("%s is counted and not told", name)
		}
	}
	home.end(t)
	eventually(t, "another tells of itself in its place", func() bool { return strings.Contains(readMetrics(t), `node="w`) })
	for _, w := range witnesses {
		w.end(t)
	}
	if told := readMetrics(t); told != "" {
		t.Errorf("told after the end:\n%s", told)
	}
}

// observations keeps what an observer is told.
type observations struct{ rig *rig }

func (o observations) Heard(_ core.Instant, ev core.Event)   { o.rig.note("heard %T", ev) }
func (o observations) Ordered(_ core.Instant, e core.Effect) { o.rig.note("ordered %T", e) }
func (o observations) Done(e core.Effect)                    { o.rig.note("done %T", e) }
func (o observations) Stepped(time.Duration)                 { o.rig.note("stepped") }

// Observers hear of all, in its order: an event before the machine does, an effect before and after it is carried out.
func TestTheLoopIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.loop.observer = observers{observations{r}}
		r.start()
		r.want("heard core.Started", "started", "stepped")
		r.loop.queue.put(order{core.Tick{}, []core.Effect{core.Send{To: "h2"}, core.SaveState{Seq: 1}}})
		r.settle()
		r.want("heard agent.order", "ordered core.Send", "send h2", "done core.Send", "ordered core.SaveState", "save 0", "done core.SaveState",
			"heard core.StateSaved", "saved 1", "stepped")
	})
}
