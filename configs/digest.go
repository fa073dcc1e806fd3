package configs

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Digest is a fingerprint of everything that must be the same on all hosts. Two files that differ in layout,
// in comments, in the order of their tables or in whether a default is spelt out have the same digest. The
// key and where it lies are left out: nodes whose keys differ cannot talk at all.
func (c *Config) Digest() [sha256.Size]byte {
	return sha256.Sum256([]byte(c.canonical()))
}

// Lines returns everything that must be the same on all hosts, "key = value" each, defaults spelt out, no two alike.
// What concerns one VIP names it: "vip 10.0.0.101/32 failback = auto".
func (c *Config) Lines() []string {
	var lines []string
	address := ""
	for line := range strings.Lines(c.canonical()) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "vip."); ok {
			if key, value, _ := strings.Cut(rest, " = "); key == "address" {
				address, line = value, "vip "+value
			} else {
				line = fmt.Sprintf("vip %s %s", address, rest)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// canonical is the text that Digest is taken of: a line for each key, in an order of its own. Changing it makes
// nodes of different versions differ, so a new key must add nothing while it has its default.
func (c *Config) canonical() string {
	var b strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&b, "%s = %v\n", key, value) }
	line("cluster.name", c.Cluster.Name)
	for _, m := range c.AllNodes() {
		line("cluster.member", fmt.Sprintf("%s %s voter=%t witness=%t", m.Name, m.Addr, m.Voter, m.Witness))
	}
	if len(c.Cluster.VotersOff) > 0 {
		line("cluster.voters_off", c.Cluster.VotersOff)
	}
	line("cluster.port", c.Cluster.Port)
	line("cluster.lease", c.Cluster.Lease)
	line("cluster.clock_drift", c.Cluster.Drift)
	line("cluster.fence", c.Cluster.Fence)
	line("health.interval", c.Health.Interval)
	line("health.deadline", c.Health.Deadline)
	line("health.fall", c.Health.Fall)
	line("health.rise", c.Health.Rise)
	line("health.fresh_interval", c.Health.FreshInterval)
	if c.Agent.Stop != stopDefault {
		line("agent.stop", c.Agent.Stop)
	}
	if c.Agent.Log != logFormatDefault {
		line("agent.log", c.Agent.Log)
	}
	if c.Agent.LogLevel != logLevelDefault {
		line("agent.log_level", c.Agent.LogLevel)
	}
	for _, h := range c.Hooks.All() {
		line("hooks."+h.Key, fmt.Sprintf("%q", h.Command))
	}
	if c.Hooks.Timeout != hookTimeoutSetting.value {
		line("hooks.timeout", c.Hooks.Timeout)
	}
	if c.Metrics.Listen.IsValid() {
		line("metrics.listen", c.Metrics.Listen)
	}
	for _, v := range sortedVIPs(c.VIPs) {
		line("vip.address", v.Prefix)
		line("vip.home", v.Home)
		line("vip.interface", v.Interface)
		line("vip.instance", v.Instance)
		line("vip.restart_command", fmt.Sprintf("%q", v.RestartCommand))
		line("vip.candidates", v.Candidates)
		line("vip.failback", v.Failback)
		line("vip.failback_delay", v.FailbackDelay)
	}
	return b.String()
}

func sortedVIPs(vips []VIP) []VIP {
	return slices.SortedFunc(slices.Values(vips), func(a, b VIP) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
}
