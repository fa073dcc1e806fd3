package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"memvip/integration/lab"
)

// fault is one thing that happens to a VIP's home, and what ends it.
type fault struct {
	name string
	what string // completes "NAME: "

	site    kind // which hosts it happens on
	fills   bool // the cache is filled before
	lingers bool // goes on for settings.linger after the VIP was served elsewhere

	// homeward: the VIP leaves its stand-in for its home. Times count from the stand-in's last answer.
	homeward bool

	prepare func(context.Context, *site, lab.VIP) error // nil: nothing
	strike  func(*site, lab.VIP) (lab.Instant, error)
	heal    func(*site, lab.VIP) error // nil: nothing to heal

	aim aim
}

// aim is what the medians are compared with. Zero stands for no aim.
type aim struct {
	outage, firstARP time.Duration
	keepalived       string // the same fault in the baseline, by its closed loop
}

// faults are all that there are, in the order in which they are printed.
var faults = []fault{
	{
		name: "memcached-kill", what: "memcached kill -9",
		strike: killMemcached, heal: startMemcached,
		aim: aim{outage: 50 * time.Millisecond, firstARP: 10 * time.Millisecond, keepalived: "tuned: 103, ARP 65"},
	},
	{
		name: "memcached-kill-big", what: "memcached kill -9 with %s of values", fills: true,
		strike: killMemcached, heal: startMemcached,
		aim: aim{outage: 50 * time.Millisecond, firstARP: 10 * time.Millisecond},
	},
	{
		name: "fallback-kill", what: "memcached kill -9, agents without the process connector", site: withoutConnector,
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "fallback-kill-big", what: "memcached kill -9 with %s of values, agents without the process connector",
		site: withoutConnector, fills: true,
		strike: killMemcached, heal: startMemcached,
	},
	{
		name: "memcached-hang", what: "memcached hangs (SIGSTOP)",
		strike: freezeMemcached, heal: thawMemcached,
		aim: aim{outage: 800 * time.Millisecond, keepalived: "tuned: 2623"},
	},
	{
		name: "agent-term", what: "agent SIGTERM",
		strike: termAgent, heal: startAgent,
		aim: aim{outage: 50 * time.Millisecond, keepalived: "tuned: 104"},
	},
	{
		name: "hand-back", what: "the VIP goes home, from the stand-in's last answer on", homeward: true,
		prepare: sendAway, strike: backAtHome,
		aim: aim{outage: 50 * time.Millisecond, keepalived: "tuned: 23"},
	},
	{
		name: "host-cut", what: "host cut off from everybody, its link up",
		strike: cutHost, heal: healHost,
		aim: aim{outage: 800 * time.Millisecond, keepalived: "default: 3423, tuned: 404"},
	},
	{
		name: "agent-kill", what: "agent kill -9, started again after %s", lingers: true,
		strike: killAgent, heal: startAgent,
	},
	{
		name: "agent-freeze", what: "agent SIGSTOP, thawed after %s", lingers: true,
		strike: freezeAgent, heal: thawAgent,
	},
}

// title is what the fault is, with the settings' figures.
func (f fault) title(set settings) string {
	switch {
	case f.fills:
		return fmt.Sprintf(f.what, byteSize(set.fillBytes))
	case f.lingers:
		return fmt.Sprintf(f.what, set.linger)
	}
	return f.what
}

func byteSize(n int) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// catalogue is the list of all faults, one a line.
func catalogue(set settings) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%-*s %s\n", nameWidth, f.name, f.title(set))
	}
	return b.String()
}

func killMemcached(_ *site, v lab.VIP) (lab.Instant, error) { return v.Home.Instance(v.Addr).Kill() }
func freezeMemcached(_ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Instance(v.Addr).Freeze()
}
func termAgent(_ *site, v lab.VIP) (lab.Instant, error)   { return v.Home.Agent().Term() }
func killAgent(_ *site, v lab.VIP) (lab.Instant, error)   { return v.Home.Agent().Kill() }
func freezeAgent(_ *site, v lab.VIP) (lab.Instant, error) { return v.Home.Agent().Freeze() }
func cutHost(s *site, v lab.VIP) (lab.Instant, error)     { return s.lab.Cut(v.Home) }

func startMemcached(_ *site, v lab.VIP) error { return v.Home.Instance(v.Addr).Start() }

func thawMemcached(_ *site, v lab.VIP) error {
	_, err := v.Home.Instance(v.Addr).Thaw()
	return err
}

func thawAgent(_ *site, v lab.VIP) error {
	_, err := v.Home.Agent().Thaw()
	return err
}

func healHost(s *site, v lab.VIP) error {
	_, err := s.lab.HealHost(v.Home)
	return err
}

// startAgent waits for the end of the one before, which may still be giving its VIPs away.
func startAgent(_ *site, v lab.VIP) error {
	<-v.Home.Agent().Done()
	return v.Home.Agent().Start()
}

// sendAway has the VIP served elsewhere, and lets that go on for a while.
func sendAway(ctx context.Context, s *site, v lab.VIP) error {
	if _, err := killMemcached(s, v); err != nil {
		return err
	}
	if _, err := s.awaitMoved(ctx, v.Addr, v.Home.Name); err != nil {
		return err
	}
	return s.open.WaitQuiet(ctx, calm)
}

func backAtHome(s *site, v lab.VIP) (lab.Instant, error) {
	at := lab.Now()
	return at, startMemcached(s, v)
}
