package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

const (
	// settlePoll is how often the hosts are looked at, and agents asked, between runs only.
	settlePoll = 50 * time.Millisecond
	// settleOurs is for all VIPs to be at home and all others clean; damping may slow it.
	settleOurs = 2 * time.Minute
	// settleTheirs is for keepalived, which has nothing to prove. Where it takes longer, it is because nothing tells the
	// clients that their VIP has moved, and their ARP entries may take half a minute to die.
	settleTheirs = 15 * time.Second
)

// patience is how long a contender is given to bring its VIPs home.
func (c contender) patience() time.Duration {
	if c.ours() {
		return settleOurs
	}
	return settleTheirs
}

// settle waits until every VIP is at home, no other host answers ARP for it, and the clients are calm. With memvip also
// until every other host is proved clean for the VIPs that are named, and nothing is wrong but that one is not for
// another VIP.
func (s *site) settle(ctx context.Context, clean ...netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, s.contender.patience())
	defer cancel()
	for _, c := range s.clients() {
		if err := c.WaitAllServed(ctx, s.homes()); err != nil {
			return err
		}
	}
	if err := s.awaitReady(ctx, clean...); err != nil {
		return err
	}
	return s.open.WaitQuiet(ctx, calm)
}

// awaitReady polls until nothing is left to wait for.
func (s *site) awaitReady(ctx context.Context, clean ...netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, s.contender.patience())
	defer cancel()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		missing, err := s.missing(ctx, clean)
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%w in time: %s", errUnsettled, missing), err)
		}
	}
}

// missing says what the hosts are not ready for a run for, or "".
func (s *site) missing(ctx context.Context, clean []netip.Addr) (string, error) {
	for _, v := range s.lab.VIPs {
		if who := s.watch.Answering(v.Addr); len(who) != 1 || who[0] != v.Home.Name {
			return fmt.Sprintf("ARP for %s is answered by %v, want %s alone", v.Addr, who, v.Home.Name), nil
		}
	}
	if !s.contender.ours() {
		return "", nil // keepalived does not know what a cache holds
	}
	for _, h := range s.lab.Hosts {
		r, err := report(ctx, h.Agent())
		if err != nil {
			return "", err
		}
		if left := unsettled(r, clean); left != "" {
			return h.Name + ": " + left, nil
		}
	}
	return "", nil
}

// report asks one agent.
func report(ctx context.Context, a *lab.Agent) (control.Report, error) {
	r, _, err := client(a).Status(ctx)
	return r, err
}

// unsettled says why the reporting node is not ready for a run: all must be well as far as it knows, but for memcacheds
// that are not clean for other VIPs than those named, and its own clean for each of these that it does not serve. It
// returns "" if it is ready.
func unsettled(r control.Report, clean []netip.Addr) string {
	must := func(address string) bool {
		return slices.ContainsFunc(clean, func(a netip.Addr) bool { return a.String() == address })
	}
	for _, p := range r.Problems {
		if p.Code != control.ProblemTainted || slices.ContainsFunc(p.VIPs, must) {
			return fmt.Sprintf("%s %v", r.VerdictText, problemTexts(r.Problems))
		}
	}
	if r.Verdict != control.AllWell && len(r.Problems) == 0 {
		return r.VerdictText
	}
	homes := map[string]string{}
	for _, v := range r.VIPs {
		homes[v.Address] = v.Home
	}
	self := slices.IndexFunc(r.Nodes, func(n control.Node) bool { return n.Self })
	if self < 0 {
		return "it says nothing of itself"
	}
	for _, v := range r.Nodes[self].VIPs {
		switch home := homes[v.Address] == r.Nodes[self].Name; {
		case home && v.Cache != control.CacheServing:
			return fmt.Sprintf("its cache for %s is %s, want %s", v.Address, v.Cache, control.CacheServing)
		case !home && v.Cache != control.CacheClean && (v.Cache == control.CacheServing || must(v.Address)):
			return fmt.Sprintf("its cache for %s is %s, want %s", v.Address, v.Cache, control.CacheClean)
		}
	}
	return ""
}

func problemTexts(problems []control.Problem) []string {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Text
	}
	return texts
}
