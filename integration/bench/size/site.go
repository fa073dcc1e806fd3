package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memvip/integration/bench/scrape"
	"memvip/integration/lab"
)

const (
	patience = time.Minute // and no longer: agents that do not get on take whole processors before everybody else
	pollTime = time.Second // asking a large cluster's agents costs them something
	calm     = 3 * time.Second
	samples  = 3 // hosts of a kind whose packets are counted

	failbackDelay = 100 * time.Millisecond // shorter than the default, only to save time
)

// site is one lab of real agents.
type site struct {
	lab   *lab.Lab
	watch *lab.Watcher
}

func newSite(set settings, nodes int) (*site, error) {
	agent, ctl, err := lab.Programs(set.bin)
	if err != nil {
		return nil, err
	}
	l, err := lab.New(lab.Options{
		Hosts: nodes, Voters: voters, Agent: agent, AgentCtl: ctl, ExtraTOML: scrape.Config,
		VIPTOML: fmt.Sprintf("failback_delay = %q", failbackDelay),
	})
	if err != nil {
		return nil, err
	}
	s := &site{lab: l}
	if err := l.StartMemcached(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.watch, err = l.StartWatcher(lab.WatchOptions{Interval: -1}); err != nil { // it listens, and never asks
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) close() error {
	var err error
	if s.watch != nil {
		err = s.watch.Close()
	}
	return errors.Join(err, s.lab.Close())
}

// form starts all agents, and returns how long that took and when every VIP had been announced.
func (s *site) form(ctx context.Context) (started, formed time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	at := lab.Now()
	if err := s.lab.StartAgents(); err != nil {
		return 0, 0, err
	}
	started = lab.Now().Sub(at)
	for _, v := range s.lab.VIPs {
		a, err := s.watch.WaitAnnounced(ctx, v.Addr, at, "")
		if err != nil {
			return 0, 0, err
		}
		formed = max(formed, a.At.Sub(at))
	}
	return started, formed, nil
}

// settle waits until every VIP is held by its home, every host hears a majority, and a while longer.
func (s *site) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		missing, err := s.missing(ctx)
		if err == nil && missing == "" {
			return wait(ctx, calm)
		}
		if wait(ctx, pollTime) != nil {
			return fmt.Errorf("not settled in time: %s: %w", missing, errors.Join(err, ctx.Err()))
		}
	}
}

// missing says what is not as it should be, or "". Each host is asked for its own only: that costs a large cluster least.
func (s *site) missing(ctx context.Context) (string, error) {
	for _, h := range s.lab.Hosts {
		p, err := scrape.Host(ctx, h)
		if err != nil {
			return "", err
		}
		if p.Sum("memvip_quorate") != 1 {
			return h.Name + " hears no majority", nil
		}
		for _, v := range s.lab.VIPs {
			if v.Home == h && p.Sum("memvip_vip_held", "vip="+v.Addr.String()) != 1 {
				return fmt.Sprintf("%s is not at home", v.Addr), nil
			}
		}
	}
	return "", nil
}

// elsewhere waits until another host than the home has announced a VIP since an instant.
func (s *site) elsewhere(ctx context.Context, v lab.VIP, since lab.Instant) (move, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := s.watch.WaitAnnounced(ctx, v.Addr, since, v.Home.Name)
	if err != nil {
		return move{}, err
	}
	return move{VIP: v.Addr.String(), From: v.Home.Name, To: a.Host, Took: inMillis(a.At.Sub(since))}, nil
}

// wait lets time pass: it is how long a measurement lasts.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
