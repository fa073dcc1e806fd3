package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"memvip/integration/bench/machine"
	"memvip/integration/lab"
)

// cost is what the managers of a settled cluster take for doing nothing but being there.
type cost struct {
	Contender string    `json:"contender"`
	Clients   bool      `json:"clients"` // the three clients of the faults ran meanwhile
	Begun     time.Time `json:"begun"`
	Seconds   float64   `json:"seconds"`
	Load      float64   `json:"load_average"`
	Hosts     []share   `json:"hosts"`
}

// share is one host's part of it.
type share struct {
	CPU     float64 `json:"cpu_seconds_per_hour"`    // of the manager, check scripts included
	Scripts float64 `json:"script_seconds_per_hour"` // of its check scripts alone
	RSS     float64 `json:"rss_mib"`                 // scripts not included
	PSS     float64 `json:"pss_mib"`

	Sent     rate `json:"sent"`
	Received rate `json:"received"`
}

// rate is traffic per second.
type rate struct {
	Packets float64 `json:"packets_per_second"`
	Bytes   float64 `json:"bytes_per_second"`
}

// runSteady measures every contender that was not yet, with clients and without.
func (s *series) runSteady(ctx context.Context) error {
	if s.set.steady == 0 {
		return nil
	}
	for _, c := range s.set.contenders {
		if slices.ContainsFunc(s.found.Steady, func(x cost) bool { return x.Contender == c.name }) {
			continue
		}
		costs, err := measureSteady(ctx, c, s.set)
		if s.givesUp(c, err) {
			continue
		}
		if err != nil {
			return err
		}
		s.found.Steady = append(s.found.Steady, costs...)
		fmt.Fprintf(s.progress, "%s: steady cost measured, twice for %s\n", c.name, s.set.steady)
		if err := s.keep(); err != nil {
			return err
		}
	}
	return nil
}

// measureSteady measures on fresh hosts, first with clients, then without. The watcher is away, whose questions would
// count as traffic.
func measureSteady(ctx context.Context, c contender, set settings) (costs []cost, err error) {
	hosts, err := newSite(ctx, c, withConnector, set)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hosts.close()) }()
	if err := hosts.watch.Close(); err != nil {
		return nil, err
	}
	for _, clients := range []bool{true, false} {
		if !clients {
			if err := hosts.dismiss(); err != nil {
				return nil, err
			}
		}
		got := cost{Contender: c.name, Clients: clients, Begun: time.Now(), Seconds: set.steady.Seconds(), Load: machine.Load()}
		if got.Hosts, err = hosts.shares(ctx, set.steady); err != nil {
			return nil, err
		}
		costs = append(costs, got)
	}
	return costs, nil
}

// meter is where one host stood when the measurement began.
type meter struct {
	manager        lab.Manager
	before         lab.Usage
	traffic        *lab.Traffic
	sent, received lab.Flow
}

// shares measures all hosts over the same time.
func (s *site) shares(ctx context.Context, length time.Duration) (shares []share, err error) {
	var meters []*meter
	defer func() {
		for _, m := range meters {
			err = errors.Join(err, m.traffic.Close())
		}
	}()
	for _, h := range s.lab.Hosts {
		m := &meter{manager: h.Manager()}
		if m.traffic, err = h.CountTraffic(); err != nil {
			return nil, err
		}
		meters = append(meters, m)
		if m.before, err = m.manager.Usage(); err != nil {
			return nil, err
		}
		m.sent, m.received = m.traffic.Read()
	}
	if err := last(ctx, length); err != nil {
		return nil, err
	}
	for _, m := range meters {
		one, err := m.read()
		if err != nil {
			return nil, err
		}
		shares = append(shares, one)
	}
	return shares, nil
}

func (m *meter) read() (share, error) {
	after, err := m.manager.Usage()
	if err != nil {
		return share{}, err
	}
	sent, received := m.traffic.Read()
	return shareOf(m.before, after, sent.Sub(m.sent), received.Sub(m.received)), nil
}

// shareOf puts two looks at a manager into figures per time.
func shareOf(before, after lab.Usage, sent, received lab.Flow) share {
	seconds := after.At.Sub(before.At).Seconds()
	scripts := (after.Scripts - before.Scripts).Seconds()
	perSecond := func(f lab.Flow) rate { return rate{float64(f.Packets) / seconds, float64(f.Bytes) / seconds} }
	const mib = 1 << 20
	return share{
		CPU:     ((after.CPU - before.CPU).Seconds() + scripts) / seconds * 3600,
		Scripts: scripts / seconds * 3600,
		RSS:     float64(after.RSS) / mib, PSS: float64(after.PSS) / mib,
		Sent: perSecond(sent), Received: perSecond(received),
	}
}

// last lets a measurement last.
func last(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// median is the middle of the hosts' figures.
func (c cost) median(of func(share) float64) float64 {
	var values []millis
	for _, h := range c.Hosts {
		values = append(values, millis(of(h)))
	}
	return float64(summarize(values).Median)
}
