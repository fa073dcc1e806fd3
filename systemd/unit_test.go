package systemd

import (
	"strings"
	"testing"
)

func TestSetting(t *testing.T) {
	for _, c := range []struct{ section, name, want string }{
		{"Service", "ExecStopPost", "/usr/sbin/memvip-agent cleanup"},
		{"Service", "CPUSchedulingPolicy", "rr"},
		{"Service", "RuntimeDirectoryPreserve", "yes"}, // else every restart would lose what was granted
	} {
		if got, err := Setting(c.section, c.name); got != c.want || err != nil {
			t.Errorf("[%s] %s: %q, %v; want %q", c.section, c.name, got, err, c.want)
		}
	}
	if _, err := Setting("Unit", "ExecStart"); err == nil || !strings.Contains(err.Error(), "[Unit] ExecStart: 0 lines, want 1") {
		t.Errorf("a line in the wrong section: %v", err)
	}
}
