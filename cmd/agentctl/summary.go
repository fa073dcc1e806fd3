package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/systemd"
)

// summarize writes what a good configuration promises, and what it probably does not mean. runnable tells whether a
// command could be run on this host.
func summarize(out io.Writer, c *configs.Config, node string, runnable func(argv []string) error) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	digest := c.Digest()
	line("%s: good", c.Path)
	line("cluster    %s, digest %x", c.Cluster.Name, digest[:6])
	line("voters     %s; any %d of them make a majority", members(c.Cluster.Voters), core.Majority(len(c.Cluster.Voters)))
	if len(c.Cluster.Nodes) > 0 {
		line("no vote    %s", members(c.Cluster.Nodes))
	}
	if keys := configs.Fingerprints(c.Cluster.Keys); len(keys) > 1 {
		line("keys       %s seals; also opened: %s", keys[0], strings.Join(keys[1:], ", "))
	}
	line("addresses  %s", addresses(c.VIPs))
	if node != "" {
		line("this node  %s may hold %s", node, addresses(c.Eligible(node)))
	}
	if beyond := beyondUnit(c); len(beyond) > 0 {
		line("unit       memvip-agent.service lets the agent speak with private addresses only: it needs a drop-in (systemctl edit memvip-agent)")
		line("           with [Service] IPAddressAllow=%s", strings.Join(beyond, " "))
		line("           and those of clients, to be reset when a holder dies, and of Prometheus, where they are public")
	}
	writeBounds(&b, c)
	for _, w := range c.Warnings() {
		line("warning: %s", w)
	}
	for _, h := range c.Hooks.All() {
		if err := runnable(h.Command); err != nil {
			line("warning: %s: hooks.%s cannot be run on this host: %v", c.Path, h.Key, err)
		}
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// beyondUnit lists the addresses of nodes that the unit, as it is installed, keeps the agent from.
func beyondUnit(c *configs.Config) []string {
	var list []string
	for _, m := range c.AllNodes() {
		if !systemd.Reaches(m.Addr) {
			list = append(list, m.Addr.String())
		}
	}
	return list
}

// writeBounds says how long clients go without an address at worst.
func writeBounds(out io.Writer, c *configs.Config) {
	settings := control.Settings{
		Lease: c.Cluster.Lease, Drift: c.Cluster.Drift,
		Interval: c.Health.Interval, Deadline: c.Health.Deadline, Fall: c.Health.Fall,
	}
	unfenced := settings.Unfenced()
	if c.Cluster.Fence == configs.FenceLifetime {
		settings = unfenced
	}
	b := control.BoundsOf(settings)
	fmt.Fprintf(out, "lease      %s\n", settings.Lease)
	fmt.Fprintf(out, "outage at worst, one failure at a time, another node clean, round trips up to %s:\n", b.RoundTrip)
	type row struct {
		bound time.Duration
		what  string
	}
	rows := []row{
		{b.HostLost, fmt.Sprintf("host dies or is cut off (lease x %g, one stagger, the move)", 1+c.Cluster.Drift)},
	}
	if c.Cluster.Fence == configs.FenceAuto && settings != unfenced {
		rows = append(rows, row{control.BoundsOf(unfenced).HostLost, fmt.Sprintf("the same, if it has no nftables (lease %s)", unfenced.Lease)})
	}
	rows = append(rows,
		row{b.Hung, fmt.Sprintf("memcached hangs (interval, %d deadlines of %s, the move)", c.Health.Fall, c.Health.Deadline)},
		row{b.Exited, "memcached exits, where the kernel reports it"},
		row{b.Planned, "drain, stop or hand-back"},
	)
	for _, x := range rows {
		fmt.Fprintf(out, "%9s  %s\n", x.bound.Round(time.Millisecond), x.what)
	}
}

func members(list []configs.Member) string {
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.Name
		if m.Witness {
			names[i] += " (witness)"
		}
	}
	return strings.Join(names, ", ")
}

func addresses(vips []configs.VIP) string {
	if len(vips) == 0 {
		return "none"
	}
	list := make([]string, len(vips))
	for i, v := range vips {
		list[i] = v.Prefix.Addr().String()
	}
	return strings.Join(list, ", ")
}
