package systemd

import (
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestSetting(t *testing.T) {
	for _, c := range []struct{ section, name, want string }{
		{"Service", "ExecStopPost", "/usr/sbin/memvip-agent cleanup"},
		{"Service", "CPUSchedulingPolicy", "rr"},
		{"Service", "RuntimeDirectoryPreserve", "yes"}, // else every restart would lose what was granted
		{"Service", "CapabilityBoundingSet", "CAP_NET_ADMIN CAP_NET_RAW"},
		{"Service", "User", "memvip"},
	} {
		if got, err := Setting(c.section, c.name); got != c.want || err != nil {
			t.Errorf("[%s] %s: %q, %v; want %q", c.section, c.name, got, err, c.want)
		}
	}
	if _, err := Setting("Unit", "ExecStart"); err == nil || !strings.Contains(err.Error(), "[Unit] ExecStart: 0 lines, want 1") {
		t.Errorf("a line in the wrong section: %v", err)
	}
}

func TestReaches(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "169.254.7.7": true, "fe80::1": true, "10.1.2.3": true, "172.31.0.1": true, "192.168.9.9": true,
		"100.64.0.1": true, "fd00::7": true, "172.32.0.1": false, "203.0.113.7": false, "2001:db8::7": false,
	} {
		if got := Reaches(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
}

// exposureMax is what systemd-analyze security may find at most, of 10. What is left is what the agent is for: the
// network, packet sockets, the processes of others.
const exposureMax = 2.0

func TestExposure(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "./memvip-agent.service").CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for memvip-agent.service: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	t.Logf("%s", found[0])
	if level, err := strconv.ParseFloat(string(found[1]), 64); err != nil || level > exposureMax {
		t.Errorf("exposure %s, %v; at most %.1f is wanted\n%s", found[1], err, exposureMax, out)
	}
}
