package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"memvip/integration/lab"
)

// kind is how a site's agents learn of memcached's death.
type kind uint8

const (
	// withConnector: from the kernel, if it lets them.
	withConnector kind = iota
	// withoutConnector: from its connections, as where the kernel does not allow the other.
	withoutConnector
)

var kinds = []kind{withConnector, withoutConnector}

func (k kind) String() string {
	switch k {
	case withConnector:
		return "started outside the namespaces"
	case withoutConnector:
		return "started inside the namespaces"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

const (
	patience      = 30 * time.Second // for what should take a second
	settlePatient = 2 * time.Minute  // for all VIPs to be at home and all others clean; damping may slow it
	calm          = 300 * time.Millisecond

	clockFormat = "15:04:05.0000"

	openTimeout   = time.Second
	closedTimeout = 100 * time.Millisecond
)

// site is one set of fresh hosts with the two clients and the watcher.
type site struct {
	lab          *lab.Lab
	open, closed *lab.Client
	watch        *lab.Watcher
	build        string         // the agents' version
	detector     string         // how they learn of memcached's death
	memcached    string         // its version
	marks        map[string]int // how long each agent's log was when the run began
}

// newSite starts everything and waits until all is well.
func newSite(ctx context.Context, k kind, set settings) (*site, error) {
	l, err := lab.New(lab.Options{
		Agent: set.agentPath(), AgentCtl: set.ctlPath(),
		InstancePerVIP: true,
		MemcachedArgs:  memoryFor(set.fillBytes),
		VIPTOML:        fmt.Sprintf("failback_delay = %q", failbackDelay),
	})
	if err != nil {
		return nil, err
	}
	s := &site{lab: l, marks: map[string]int{}}
	if err := errors.Join(s.start(k), s.settle(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("fresh hosts, %s: %w\n%s", k, err, s.story(ctx)), s.close())
	}
	if err := s.identify(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// memoryFor makes room for so many bytes of values and what they are wrapped in.
func memoryFor(bytes int) []string { return []string{"-m", fmt.Sprint(bytes>>20*3/2 + 64)} }

func (s *site) start(k kind) error {
	for _, h := range s.lab.Hosts {
		h.Agent().Inside = k == withoutConnector
	}
	if err := s.lab.Start(); err != nil {
		return err
	}
	var err error
	if s.open, err = s.lab.StartClient(lab.ClientOptions{AnswerTimeout: openTimeout}); err != nil {
		return err
	}
	closed := lab.ClientOptions{Discipline: lab.ClosedLoop, DialTimeout: closedTimeout, AnswerTimeout: closedTimeout}
	if s.closed, err = s.lab.StartClient(closed); err != nil {
		return err
	}
	s.watch, err = s.lab.StartWatcher(lab.WatchOptions{})
	return err
}

// close ends everything. An error of a client or the watcher makes what they saw worthless.
func (s *site) close() error {
	var err error
	if s.open != nil {
		err = errors.Join(err, s.open.Close())
	}
	if s.closed != nil {
		err = errors.Join(err, s.closed.Close())
	}
	if s.watch != nil {
		err = errors.Join(err, s.watch.Close())
	}
	return errors.Join(err, s.lab.Close())
}

// identify notes what is running.
func (s *site) identify(ctx context.Context) error {
	first := s.lab.Hosts[0]
	r, err := report(ctx, first.Agent())
	if err != nil {
		return err
	}
	s.build, s.detector = r.Build, r.Detector
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	session, err := first.Memcached().Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	version, err := session.Do("version")
	s.memcached = strings.TrimPrefix(version, "VERSION ")
	return err
}

// clients are both, the open loop first.
func (s *site) clients() []*lab.Client { return []*lab.Client{s.open, s.closed} }

func (s *site) homes() map[netip.Addr]string {
	m := map[netip.Addr]string{}
	for _, v := range s.lab.VIPs {
		m[v.Addr] = v.Home.Name
	}
	return m
}

// awaitMoved waits until both clients are served by another host, and returns the one that the open loop saw.
func (s *site) awaitMoved(ctx context.Context, vip netip.Addr, from string) (to string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if to, err = s.open.WaitMoved(ctx, vip, from); err != nil {
		return "", err
	}
	_, err = s.closed.WaitMoved(ctx, vip, from)
	return to, err
}

// story is what a reader of a broken promise wants to know: who answered, what the agents say, and their logs
// since the run began.
func (s *site) story(ctx context.Context) string {
	var b strings.Builder
	fmt.Fprintf(&b, "now is %s on the lab's clock, %s on the wall's\n", lab.Now(), time.Now().Format(clockFormat))
	for _, c := range s.clients() {
		if c != nil {
			s.tellOf(c, &b)
		}
	}
	for _, h := range s.lab.Hosts {
		out, code, err := h.Agent().Ctl(ctx, "status")
		fmt.Fprintf(&b, "--- agentctl status on %s: exit code %d, %v\n%s", h.Name, code, err, out)
		fmt.Fprintf(&b, "--- log of the agent on %s\n%s", h.Name, h.Agent().Log()[s.marks[h.Name]:])
	}
	return b.String()
}

// failuresTold bounds what is told of each VIP; the open loop has a thousand a second.
const failuresTold = 20

// tellOf says who answered a client since the run began, and what failed first.
func (s *site) tellOf(c *lab.Client, b *strings.Builder) {
	name := "open loop"
	if c == s.closed {
		name = "closed loop"
	}
	for _, v := range s.lab.VIPs {
		for _, t := range c.Turns(v.Addr, 0, lab.Now()) {
			fmt.Fprintf(b, "%s: %s answered by %s from %s to %s, %d times\n", name, v.Addr, t.Host, t.First, t.Last, t.Answers)
		}
		failed := c.Failures(v.Addr, 0, lab.Now())
		for _, f := range failed[:min(len(failed), failuresTold)] {
			fmt.Fprintf(b, "%s: %s failed from %s to %s: %s %s\n", name, v.Addr, f.Begun, f.At, f.Why, f.Detail)
		}
	}
}

// mark notes where the logs stand, and forgets what was measured before.
func (s *site) mark() {
	for _, h := range s.lab.Hosts {
		s.marks[h.Name] = len(h.Agent().Log())
	}
	now := lab.Now()
	for _, c := range s.clients() {
		c.Forget(now)
	}
	s.watch.Forget(now)
}
