package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// settlePoll is how often the agents are asked. Each time costs a process for every host, between runs only.
const settlePoll = 150 * time.Millisecond

// settle waits until every VIP is at home, every other host is proved clean for it, and the clients are calm.
func (s *site) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settlePatient)
	defer cancel()
	for _, c := range s.clients() {
		if c == nil {
			return nil // it could not even start
		}
		if err := c.WaitAllServed(ctx, s.homes()); err != nil {
			return err
		}
	}
	if err := s.awaitClean(ctx); err != nil {
		return err
	}
	return s.open.WaitQuiet(ctx, calm)
}

// awaitClean polls until nothing is left to wait for.
func (s *site) awaitClean(ctx context.Context) error {
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		missing, err := s.missing(ctx)
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not settled in time: %s, %v", missing, err)
		}
	}
}

// missing says what the hosts are not ready for a run for, or "".
func (s *site) missing(ctx context.Context) (string, error) {
	for _, v := range s.lab.VIPs {
		if who := s.watch.Answering(v.Addr); len(who) != 1 || who[0] != v.Home.Name {
			return fmt.Sprintf("ARP for %s is answered by %v, want %s alone", v.Addr, who, v.Home.Name), nil
		}
	}
	for _, h := range s.lab.Hosts {
		r, err := report(ctx, h.Agent())
		if err != nil {
			return "", err
		}
		if left := unsettled(r); left != "" {
			return h.Name + ": " + left, nil
		}
	}
	return "", nil
}

// report asks one agent.
func report(ctx context.Context, a *lab.Agent) (control.Report, error) {
	var r control.Report
	status, err := a.Status(ctx)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(status.Raw, &r); err != nil {
		return r, fmt.Errorf("agentctl status --json: %w", err)
	}
	return r, nil
}

// unsettled says why the reporting node is not ready for a run: all must be well as far as it knows, and its own
// memcacheds clean for every VIP that it does not serve. It returns "" if it is ready.
func unsettled(r control.Report) string {
	if r.Verdict != control.AllWell {
		return fmt.Sprintf("%s %v", r.VerdictText, problemTexts(r.Problems))
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
		want := control.CacheClean
		if homes[v.Address] == r.Nodes[self].Name {
			want = control.CacheServing
		}
		if v.Cache != want {
			return fmt.Sprintf("its cache for %s is %s, want %s", v.Address, v.Cache, want)
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
