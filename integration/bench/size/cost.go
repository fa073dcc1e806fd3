package main

import (
	"context"
	"errors"
	"time"

	"memvip/integration/lab"
)

// meter reads what agents cost.
type meter struct {
	host    *lab.Host
	voter   bool
	before  lab.Usage
	traffic *lab.Traffic // nil: not counted on this host
	sent    lab.Flow
	heard   lab.Flow
}

// measure lets time pass, and returns what it cost voters and others.
func (s *site) measure(ctx context.Context, d time.Duration) (ofVoters, ofOthers cost, err error) {
	meters, err := s.meters()
	defer func() { err = errors.Join(err, closeAll(meters)) }()
	if err != nil {
		return ofVoters, ofOthers, err
	}
	if err := wait(ctx, d); err != nil {
		return ofVoters, ofOthers, err
	}
	var voting, others tally
	for _, m := range meters {
		kind := &others
		if m.voter {
			kind = &voting
		}
		if err := kind.add(m); err != nil {
			return ofVoters, ofOthers, err
		}
	}
	return voting.cost(), others.cost(), nil
}

// meters begin to count on every host, packets on some of each kind.
func (s *site) meters() ([]*meter, error) {
	var all []*meter
	for i, h := range s.lab.Hosts {
		m := &meter{host: h, voter: i < voters}
		all = append(all, m)
		if i < voters+samples {
			t, err := h.CountTraffic()
			if err != nil {
				return all, err
			}
			m.traffic = t
		}
	}
	for _, m := range all {
		u, err := m.host.Agent().Usage()
		if err != nil {
			return all, err
		}
		m.before = u
		if m.traffic != nil {
			m.sent, m.heard = m.traffic.Read()
		}
	}
	return all, nil
}

func closeAll(meters []*meter) (err error) {
	for _, m := range meters {
		if m.traffic != nil {
			err = errors.Join(err, m.traffic.Close())
		}
	}
	return err
}

// tally sums up what nodes of one kind cost.
type tally struct {
	nodes, counted int // of the latter packets were counted
	cpu, most      float64
	resident       int
	sent, heard    rate
}

func (t *tally) add(m *meter) error {
	u, err := m.host.Agent().Usage()
	if err != nil {
		return err
	}
	took := u.At.Sub(m.before.At)
	share := float64(u.CPU-m.before.CPU) / float64(took)
	t.nodes++
	t.cpu += share
	t.most = max(t.most, share)
	t.resident += u.RSS
	if m.traffic == nil {
		return nil
	}
	sent, heard := m.traffic.Read()
	t.counted++
	t.sent.add(sent.Sub(m.sent), took)
	t.heard.add(heard.Sub(m.heard), took)
	return nil
}

func (r *rate) add(f lab.Flow, took time.Duration) {
	r.Packets += float64(f.Packets) / took.Seconds()
	r.Bytes += float64(f.Bytes) / took.Seconds()
}

// cost is the mean.
func (t *tally) cost() cost {
	if t.nodes == 0 {
		return cost{}
	}
	per := func(r rate) rate {
		n := float64(max(1, t.counted))
		return rate{r.Packets / n, r.Bytes / n}
	}
	return cost{
		Nodes: t.nodes, CPU: t.cpu / float64(t.nodes), CPUMost: t.most, Resident: t.resident / t.nodes, Sent: per(t.sent), Received: per(t.heard),
	}
}
