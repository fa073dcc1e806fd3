package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"memvip/integration/lab"
)

// fault is one thing that happens to a VIP's home, and what ends it.
type fault struct {
	name string
	what string // completes "NAME: "

	site     kind // which hosts it happens on
	oursOnly bool // it is about something that keepalived has not
	fills    bool // the cache is filled before
	lingers  bool // goes on for settings.linger after the VIP was served elsewhere
	// phased: it is noticed by what is done at intervals. Hosts that have just settled are always at the same point of
	// theirs, so each run strikes at another.
	phased bool

	// homeward: the VIP leaves its stand-in for its home. Times count from the stand-in's last answer.
	homeward bool

	prepare func(context.Context, *site, lab.VIP) error // nil: nothing
	strike  func(context.Context, *site, lab.VIP) (lab.Instant, error)
	heal    func(context.Context, *site, lab.VIP) error // nil: nothing to heal
}

// faults are all that there are, in the order in which they are printed.
var faults = []fault{
	{
		name: "memcached-kill", what: "memcached kill -9",
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "memcached-kill-big", what: "memcached kill -9 with %s of values", fills: true,
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "fallback-kill", what: "memcached kill -9, agents without the process connector", site: withoutConnector, oursOnly: true,
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "fallback-kill-big", what: "memcached kill -9 with %s of values, agents without the process connector",
		site: withoutConnector, oursOnly: true, fills: true,
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "memcached-hang", what: "memcached hangs (SIGSTOP)", phased: true,
		strike: freezeMemcached, heal: thawMemcached,
	},
	{
		name: "host-cut", what: "host cut off from everybody, its link up", phased: true,
		strike: cutHost, heal: healHost,
	},
	{
		name: "host-freeze", what: "every process of the host SIGSTOP, thawed after %s", lingers: true, phased: true,
		strike: freezeHost, heal: thawHost,
	},
	{
		name: "manager-kill", what: "memvip-agent or keepalived kill -9, started again after %s", lingers: true, phased: true,
		strike: killManager, heal: startManager,
	},
	{
		name: "manager-freeze", what: "memvip-agent or keepalived SIGSTOP, thawed after %s", lingers: true, phased: true,
		strike: freezeManager, heal: thawManager,
	},
	{
		name: "manager-stop", what: "memvip-agent or keepalived stopped in order (SIGTERM)",
		strike: termManager, heal: startManager,
	},
	{
		name: "planned-move", what: "the VIP moved by its operator: agentctl move, or a track_file that lowers the priority",
		prepare: preparedMove, strike: move, heal: moveBack,
	},
	{
		name: "hand-back", what: "a home that had lost its carrier is back and takes its VIP again, from the stand-in's last answer on", homeward: true,
		prepare: sendAway, strike: returnHome,
	},
}

// words is what the fault is, with the settings' figures.
func (f fault) words(set settings) string {
	words := f.what
	switch {
	case f.fills:
		words = fmt.Sprintf(words, byteSize(set.fillBytes))
	case f.lingers:
		words = fmt.Sprintf(words, set.linger)
	}
	if f.phased {
		words += fmt.Sprintf(", at another moment of %s each time", longestInterval)
	}
	return words
}

// longestInterval is that of keepalived as shipped, for advertisements and for checks.
const longestInterval = time.Second

// phase is how long after the hosts have settled a run strikes: over the runs of one fault all parts of all intervals have
// their share, the same for every contender.
func (f fault) phase(run int) time.Duration {
	if !f.phased {
		return 0
	}
	_, part := math.Modf(float64(run) * math.Phi)
	return time.Duration(part * float64(longestInterval))
}

// suits reports whether the fault can happen to a contender.
func (f fault) suits(c contender) bool { return c.ours() || !f.oursOnly }

func byteSize(n int) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// catalogue is the list of all faults and contenders, one a line.
func catalogue(set settings) string {
	var b strings.Builder
	b.WriteString("faults:\n")
	for _, f := range faults {
		fmt.Fprintf(&b, "  %-18s %s\n", f.name, f.words(set))
	}
	b.WriteString("contenders:\n")
	for _, c := range contenders {
		fmt.Fprintf(&b, "  %-18s %s\n", c.name, c.describe())
	}
	return b.String()
}
