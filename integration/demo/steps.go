package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"memvip/agent/core"
	"memvip/integration/lab"
)

// step is one thing that happens to the cluster.
type step struct {
	name  string // in the table
	title string
	play  func(context.Context, *stage) (row, error)
}

// story is what the demo shows, in order: each step goes on from where the one before left the cluster.
var story = []step{
	{"cluster starts", "The cluster starts", startCluster},
	{"memcached killed", "memcached on cache1 is killed (kill -9)", killMemcached},
	{"memcached back", "memcached on cache1 is started again", restartMemcached},
	{"cache2 cut off", "cache2 is cut off from everybody, the client included", cutOff},
	{"cut healed", "The cut is healed", healCut},
}

// The hosts that are struck, by their place in the lab.
const (
	first  = 0
	second = 1
)

// One more key beside the client's, for the reader to follow by name: what it is when the second host is cut
// off, and what it is set to meanwhile.
const (
	storyKey = "colour"
	oldValue = "blue"
	newValue = "green"
)

func startCluster(ctx context.Context, s *stage) (row, error) {
	began := lab.Now()
	s.out.say("Fresh hosts: nobody knows who served what before, so no voter grants anything for 5 s.")
	if err := s.Start(); err != nil {
		return row{}, err
	}
	var err error
	if s.client, err = s.StartClient(lab.ClientOptions{AnswerTimeout: attemptLimit}); err != nil {
		return row{}, err
	}
	if s.watcher, err = s.StartWatcher(lab.WatchOptions{}); err != nil {
		return row{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	home := map[netip.Addr]string{}
	for _, v := range s.VIPs {
		home[v.Addr] = v.Home.Name
	}
	if err := s.client.WaitAllServed(ctx, home); err != nil {
		return row{what: "not all served"}, err
	}
	took := lab.Now().Sub(began)
	s.out.result("All %d VIPs are served, each at its home, after %.1f s.", len(s.VIPs), took.Seconds())
	r := row{what: fmt.Sprintf("all at home in %.1f s", took.Seconds())}
	if err := s.awaitReportedHome(ctx, s.Hosts[first]); err != nil {
		return r, fmt.Errorf("agentctl on %s does not report every VIP at home: %w", s.Hosts[first].Name, err)
	}
	return r, s.showStatus(ctx, s.Hosts[first])
}

func killMemcached(ctx context.Context, s *stage) (row, error) {
	v := s.VIPs[first]
	if err := s.awaitHome(ctx, v); err != nil {
		return row{}, err
	}
	at, err := v.Home.Memcached().Kill()
	if err != nil {
		return row{}, err
	}
	_, r, err := s.fault(ctx, v, at)
	return r, err
}

func restartMemcached(ctx context.Context, s *stage) (row, error) {
	v := s.VIPs[first]
	h, err := s.homecoming(v)
	if err != nil {
		return row{}, err
	}
	s.out.say("A home gets its VIP back after failback_delay (5 s): it has to be well that long, and twice as long for " +
		"each further loss within the hour, or else a host that flaps would drag its address to and fro. No flush is " +
		"needed: a memcached that starts empty holds nothing old.")
	if err := v.Home.Memcached().Start(); err != nil {
		return row{}, err
	}
	return s.bringHome(ctx, h, core.CauseRestart)
}

func cutOff(ctx context.Context, s *stage) (row, error) {
	v := s.VIPs[second]
	if err := s.awaitHome(ctx, v); err != nil {
		return row{}, err
	}
	if err := s.write(ctx, v, oldValue); err != nil {
		return row{}, err
	}
	s.out.say("%s=%s is set through %s. Then the port of %s is taken out of the switch.", storyKey, oldValue, v.Addr, v.Home.Name)
	at, err := s.Cut(v.Home)
	if err != nil {
		return row{}, err
	}
	to, r, err := s.fault(ctx, v, at)
	if err != nil {
		return r, err
	}
	return r, s.overwrite(ctx, v, to)
}

// overwrite leaves the cut-off host with an old value.
func (s *stage) overwrite(ctx context.Context, v lab.VIP, holder *lab.Host) error {
	if err := s.write(ctx, v, newValue); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, moveBound)
	defer cancel()
	own, err := v.Home.Memcached().Open(ctx)
	if err != nil {
		return err
	}
	defer own.Close()
	value, found, err := own.Get(storyKey)
	if err == nil && !found {
		err = fmt.Errorf("%s: %s is gone from memcached, so that nothing old could be read", v.Home.Name, storyKey)
	}
	if err != nil {
		return err
	}
	s.out.say("Through the VIP, now at %s, %s=%s is set. On %s, which nobody reaches, memcached still has %q.",
		holder.Name, storyKey, newValue, v.Home.Name, value)
	return nil
}

func healCut(ctx context.Context, s *stage) (row, error) {
	v := s.VIPs[second]
	h, err := s.homecoming(v)
	if err != nil {
		return row{}, err
	}
	shown := false
	h.refuse = func() error {
		shown = true
		return s.showStatus(ctx, h.standIn)
	}
	writes := s.client.Totals(v.Addr).Writes
	s.out.say("cache2 is back with old values and asks for its VIP. %s, which stands in, is to refuse until the flush is proved.", h.standIn.Name)
	if _, err := s.HealHost(v.Home); err != nil {
		return row{}, err
	}
	r, err := s.bringHome(ctx, h, core.CauseProof)
	if err != nil {
		return r, err
	}
	if !shown {
		return r, fmt.Errorf("%s handed %s back without ever having refused", h.standIn.Name, v.Addr)
	}
	s.out.say("Meanwhile the client had %d writes acknowledged through this VIP, and %d of all its reads were stale.",
		s.client.Totals(v.Addr).Writes-writes, len(s.client.Stale(h.since, lab.Now())))
	stale, err := s.readBack(ctx, v)
	r.stale += stale
	return r, err
}

// readBack reads the one key that the reader knows by name, and returns how many stale reads that was.
func (s *stage) readBack(ctx context.Context, v lab.VIP) (stale int, err error) {
	value, found, err := s.read(ctx, v)
	switch {
	case err != nil:
		return 0, err
	case !found:
		s.out.say("Through %s, %s is a miss now, which is always allowed. The old value is gone.", v.Addr, storyKey)
	case value == newValue:
		s.out.say("Through %s, %s is %q.", v.Addr, storyKey, value)
	default:
		s.out.say("Through %s, %s is %q, which was overwritten long ago.", v.Addr, storyKey, value)
		return 1, nil
	}
	return 0, nil
}

// homecoming begins to watch a VIP that is away and whose home is about to come back.
func (s *stage) homecoming(v lab.VIP) (*homecoming, error) {
	name, _, ok := s.client.Last(v.Addr)
	if !ok || name == v.Home.Name {
		return nil, fmt.Errorf("%s is not away from home", v.Addr)
	}
	return &homecoming{vip: v, standIn: s.Host(name), since: lab.Now(), logged: len(v.Home.Agent().Log())}, nil
}

// bringHome follows a VIP home and measures its hand-back. The home's memcached must have been proved
// clean in the way that the step is about.
func (s *stage) bringHome(ctx context.Context, h *homecoming, by core.Cause) (row, error) {
	if err := s.follow(ctx, h); err != nil {
		return row{what: short(h.vip) + " not home again"}, err
	}
	r, err := s.handedBack(ctx, h.vip, h.since)
	if err == nil && h.proof != by {
		err = fmt.Errorf("%s was proved clean by %q, want %q", h.vip.Home.Name, h.proof, by)
	}
	return r, err
}

// write sets storyKey through a VIP, and read gets it.
func (s *stage) write(ctx context.Context, v lab.VIP, value string) error {
	return s.through(ctx, v, func(c *lab.Session) error { return c.Set(storyKey, value) })
}

func (s *stage) read(ctx context.Context, v lab.VIP) (value string, found bool, err error) {
	err = s.through(ctx, v, func(c *lab.Session) (err error) {
		value, found, err = c.Get(storyKey)
		return err
	})
	return value, found, err
}

// through does one operation through a VIP, and again on a new connection if that one was lost: on a starved machine
// leases run out and VIPs move at any time.
func (s *stage) through(ctx context.Context, v lab.VIP, do func(*lab.Session) error) error {
	ctx, cancel := context.WithTimeout(ctx, moveBound)
	defer cancel()
	var last error
	err := every(ctx, lookEvery, func() (bool, error) {
		last = s.once(ctx, v, do)
		return last == nil, nil
	})
	return errors.Join(err, last)
}

func (s *stage) once(ctx context.Context, v lab.VIP, do func(*lab.Session) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	c, err := s.OpenVIP(ctx, v.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}
