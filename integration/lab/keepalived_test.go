package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paperHosts are hosts that exist on paper only, with one VIP and one instance per VIP each.
func paperHosts(n int, run string) []*Host {
	l := &Lab{dir: filepath.Join(run, labPrefix+"123456789"), options: Options{InstancePerVIP: true}}
	for i := range n {
		l.Hosts = append(l.Hosts, &Host{Name: fmt.Sprintf("cache%d", i+1), Addr: labAddr(11 + i), lab: l, dir: filepath.Join(l.dir, fmt.Sprintf("cache%d", i+1))})
	}
	for i := range n {
		l.VIPs = append(l.VIPs, VIP{Index: i, Addr: labAddr(101 + i), Home: l.Hosts[i]})
	}
	for _, h := range l.Hosts {
		for _, v := range l.VIPs {
			h.instances = append(h.instances, &Memcached{host: h, private: instanceAddr(v.Index)})
		}
	}
	return l.Hosts
}

func TestKeepalivedConfig(t *testing.T) {
	hosts := paperHosts(2, "/run")
	for name, o := range map[string]KeepalivedOptions{
		"plain": {Version: 2, Advert: time.Second},
		"whole": {Version: 3, Advert: 10 * time.Millisecond, TrackProcess: true, Realtime: 50, RealtimeLimit: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile("testdata/keepalived-" + name + ".conf")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), keepalivedConfig(o, hosts[1].site())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every VIP has one host that comes before all others, its home, and no two hosts are equals.
func TestPriorities(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 80} {
		hosts := paperHosts(n, "/run")
		for _, v := range hosts[0].lab.VIPs {
			var all []int
			for _, h := range hosts {
				all = append(all, h.priority(v))
			}
			if v.Home.priority(v) != 150 || slices.Max(all) != 150 {
				t.Fatalf("%d hosts: %v, want 150 at home alone", n, all)
			}
			slices.Sort(all)
			if len(slices.Compact(all)) != n || all[0]-demotion < -254 || 150-demotion < 1 || n > 1 && 150-demotion >= all[0] {
				t.Fatalf("%d hosts: %v, and %d when a home is demoted", n, all, 150-demotion)
			}
		}
	}
}

// The kernel cuts names of processes; cut ones would be alike.
func TestProcessNamesFit(t *testing.T) {
	seen := map[string]bool{}
	for _, h := range paperHosts(80, "/run") {
		for i := range h.instances {
			name := h.processName(i)
			if len(name) > 15 || seen[name] || !strings.HasPrefix(name, "m456789-") {
				t.Fatalf("%q is too long, or doubled, or not of this lab", name)
			}
			seen[name] = true
		}
	}
}

func TestDemotionIsWrittenWhereKeepalivedLooks(t *testing.T) {
	hosts := paperHosts(2, t.TempDir())
	k := &Keepalived{host: hosts[0]}
	vip := netip.MustParseAddr("10.77.0.102")
	if _, err := k.Demote(vip); err == nil || !strings.Contains(err.Error(), "weigh 10.77.0.102") {
		t.Errorf("without a folder: %v", err)
	}
	if err := os.MkdirAll(hosts[0].dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		do   func(netip.Addr) (Instant, error)
		want string
	}{{k.Demote, "-130\n"}, {k.Restore, "0\n"}} {
		if _, err := step.do(vip); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(demotePath(hosts[0].dir, 1)); err != nil || string(b) != step.want {
			t.Errorf("%q, %v; want %q", b, err, step.want)
		}
	}
}
