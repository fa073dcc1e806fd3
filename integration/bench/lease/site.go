package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memvip/integration/bench/machine"
	"memvip/integration/bench/scrape"
	"memvip/integration/lab"
)

const (
	hosts    = 3 // of each lab, with a VIP each
	patience = time.Minute
	pollTime = 250 * time.Millisecond
	ease     = time.Second // for a stress to have its effect
)

// site is one set of fresh hosts for each lease of a visit.
type site struct {
	visit visit
	labs  []*lab.Lab // by lease
}

// newSite starts the hosts, and waits until every VIP is held.
func newSite(ctx context.Context, set settings, v visit) (*site, error) {
	s := &site{visit: v}
	for _, lease := range v.leases {
		l, err := newLab(set, v, lease)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.labs = append(s.labs, l)
		if err := l.Start(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	if err := s.settle(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("fresh hosts: %w", err), s.close())
	}
	return s, nil
}

// newLab makes the hosts of one lease. Each VIP has an instance of its own, and stays where it is: a lease that is lost
// leaves clean nodes behind, and no hand-back counts as a move.
func newLab(set settings, v visit, lease time.Duration) (*lab.Lab, error) {
	agent, ctl, err := lab.Programs(set.bin)
	if err != nil {
		return nil, err
	}
	var env []string
	if v.gc {
		env = gcEnv
	}
	l, err := lab.New(lab.Options{
		Hosts: hosts, Agent: agent, AgentCtl: ctl, AgentEnv: env, Ordinary: v.class == ordinaryClass, Lease: lease,
		InstancePerVIP: true, VIPTOML: `failback = "never"`, ExtraTOML: scrape.Config,
	})
	if err != nil {
		return nil, err
	}
	if v.class == unitClass && !l.Realtime() {
		return nil, errors.Join(errors.New("the unit's scheduling class is not allowed here: run as root, or with -class ordinary"), l.Close())
	}
	return l, nil
}

func (s *site) close() (err error) {
	for _, l := range s.labs {
		err = errors.Join(err, l.Close())
	}
	return err
}

// settle waits until every VIP is held and every host hears a majority.
func (s *site) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, l := range s.labs {
		if err := settle(ctx, l); err != nil {
			return fmt.Errorf("lease %s: %w\n%s", s.visit.leases[i], err, l.Logs())
		}
	}
	return nil
}

func settle(ctx context.Context, l *lab.Lab) error {
	for {
		held, quorate, err := count(ctx, l)
		if err == nil && held == len(l.VIPs) && quorate == hosts {
			return nil
		}
		if wait(ctx, pollTime) != nil {
			return fmt.Errorf("not settled in time: %d of %d VIPs held, %d of %d hosts quorate: %w", held, len(l.VIPs), quorate, hosts, errors.Join(err, ctx.Err()))
		}
	}
}

func count(ctx context.Context, l *lab.Lab) (held, quorate int, err error) {
	for _, h := range l.Hosts {
		p, err := scrape.Host(ctx, h)
		if err != nil {
			return 0, 0, err
		}
		held += int(p.Sum("memvip_vip_held"))
		quorate += int(p.Sum("memvip_quorate"))
	}
	return held, quorate, nil
}

// run has one turn of one stress, and returns a slice for each lease.
func (s *site) run(ctx context.Context, set settings, st stress) (out []slice, err error) {
	begun, load := time.Now(), machine.Look().Load
	end, err := st.begin(s.labs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := wait(ctx, ease); err != nil {
		return nil, err
	}
	before, err := s.look(ctx)
	if err == nil {
		err = wait(ctx, set.slice)
	}
	if err != nil {
		return nil, err
	}
	after, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	for i, lease := range s.visit.leases {
		one := slice{cell: cellOf(lease, s.visit.class, st), Begun: begun, Load: load}
		for j, h := range s.labs[i].Hosts {
			if err := one.add(before[i][j], after[i][j]); err != nil {
				return nil, fmt.Errorf("lease %s: %s: %w\n%s", lease, h.Name, err, h.Agent().Log())
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// look reads what all agents count, by lease and host.
func (s *site) look(ctx context.Context) ([][]glance, error) {
	var all [][]glance
	for _, l := range s.labs {
		var of []glance
		for _, h := range l.Hosts {
			p, err := scrape.Host(ctx, h)
			if err != nil {
				return nil, err
			}
			of = append(of, glanceAt(p, time.Now()))
		}
		all = append(all, of)
	}
	return all, nil
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
