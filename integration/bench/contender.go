package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"memvip/integration/lab"
)

// contender is one manager of VIPs, set up in one way. All of them get the same hosts, memcacheds, faults and clients.
type contender struct {
	name string
	what string // completes "NAME: "

	lease      time.Duration          // of memvip; 0 for the default
	keepalived *lab.KeepalivedOptions // nil: it is memvip
}

const (
	// advertTuned is what keepalived's users tune it to.
	advertTuned = 100 * time.Millisecond
	// claimsPerLease is how often memvip says that it is there within one lease.
	claimsPerLease = 4
	// leaseEqual is memvip's lease with as many claims a second as keepalived, tuned, has advertisements.
	leaseEqual = claimsPerLease * advertTuned
	// leaseShortest is the shortest that the configuration takes.
	leaseShortest = 200 * time.Millisecond

	// realtime is the priority in the real-time class, that of memvip's unit, and realtimeLimit what keepalived's manual
	// has raised for slower processors: its own 10 ms would be for the kernel to end it while it starts.
	realtime      = 10
	realtimeLimit = 100 * time.Millisecond
)

// Names that demands and defaults refer to.
const (
	nameMemvip  = "memvip"
	nameShipped = "keepalived"
	nameTuned   = "keepalived-tuned"
	nameLimit   = "keepalived-limit"
)

var nameEqual = leaseName(leaseEqual)

func leaseName(lease time.Duration) string {
	return fmt.Sprintf("%s-%d", nameMemvip, lease.Milliseconds())
}

// contenders are all that there are. Ours and theirs follow each other, as they do in a series.
var contenders = []contender{
	{name: nameMemvip, what: "memvip, default configuration (lease 600 ms)"},
	{
		name: nameShipped, what: "keepalived as shipped",
		keepalived: &lab.KeepalivedOptions{Version: 2, Advert: time.Second},
	},
	{name: nameEqual, what: fmt.Sprintf("memvip, lease %s, for a claim every %s", leaseEqual, advertTuned), lease: leaseEqual},
	{
		name: nameTuned, what: "keepalived tuned",
		keepalived: tuned(advertTuned),
	},
	{name: leaseName(leaseShortest), what: fmt.Sprintf("memvip, lease %s, the shortest", leaseShortest), lease: leaseShortest},
	{
		name: nameLimit, what: "keepalived at its limit",
		keepalived: tuned(10 * time.Millisecond), // the shortest that VRRPv3 can express
	},
}

// tuned is keepalived with everything that its manual offers for speed. Like memvip it runs in the real-time class.
func tuned(advert time.Duration) *lab.KeepalivedOptions {
	return &lab.KeepalivedOptions{Version: 3, Advert: advert, TrackProcess: true, Realtime: realtime, RealtimeLimit: realtimeLimit}
}

// ours reports whether it is memvip.
func (c contender) ours() bool { return c.keepalived == nil }

// options are the lab's for it.
func (c contender) options(set settings) lab.Options {
	o := lab.Options{InstancePerVIP: true, MemcachedArgs: memoryFor(set.fillBytes)}
	if !c.ours() {
		o.Keepalived = c.keepalived
		return o
	}
	o.Agent, o.AgentCtl, o.Lease = set.agentPath(), set.ctlPath(), c.lease
	o.VIPTOML = fmt.Sprintf("failback_delay = %q", failbackDelay)
	return o
}

// describe says how it is set up. Results of a contender that is described otherwise are not continued.
func (c contender) describe() string {
	if c.ours() {
		return fmt.Sprintf("%s; failback_delay = %s instead of 5 s, to save time; scheduled as its unit says", c.what, failbackDelay)
	}
	o := c.keepalived
	parts := []string{
		fmt.Sprintf("%s: VRRPv%d", c.what, o.Version), fmt.Sprintf("advert_int %g", o.Advert.Seconds()),
		"for each VIP a router with priorities 150 at home, 100 and 50, a check script (interval 1, timeout 2, fall 2, rise 1)" +
			" and a track_file that lowers the priority for a planned move",
	}
	if o.TrackProcess {
		parts = append(parts, "track_process")
	}
	if o.Realtime > 0 {
		parts = append(parts, fmt.Sprintf("vrrp_rt_priority %d, vrrp_no_swap", o.Realtime))
	} else {
		parts = append(parts, "the ordinary scheduling class, as shipped")
	}
	if o.RealtimeLimit > 0 {
		parts = append(parts, fmt.Sprintf("vrrp_rlimit_rttime %d", o.RealtimeLimit.Microseconds()))
	}
	return strings.Join(parts, ", ")
}

// oursNamed reports whether a name is that of memvip in one of its set-ups.
func oursNamed(name string) bool {
	return slices.ContainsFunc(contenders, func(c contender) bool { return c.name == name && c.ours() })
}
