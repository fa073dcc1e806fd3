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
	patience = 40 * time.Second       // for what should take a second: clients that nobody tells may wait half a minute for ARP
	calm     = 300 * time.Millisecond // without anything happening

	clockFormat = "15:04:05.0000"

	openTimeout    = time.Second
	closedTimeout  = 100 * time.Millisecond
	patientTimeout = 3 * time.Second
)

// site is one set of fresh hosts with the clients and the watcher.
type site struct {
	contender contender
	lab       *lab.Lab
	open      *lab.Client
	closed    *lab.Client
	patient   *lab.Client
	watch     *lab.Watcher
	detector  string         // how agents learn of memcached's death
	marks     map[string]int // how long each manager's log was when the run began
}

// errUnsettled is wrapped by the error of hosts that did not come to rest in time.
var errUnsettled = errors.New("not settled")

// newSite starts everything and waits until all is well.
func newSite(ctx context.Context, c contender, k kind, set settings) (*site, error) {
	l, err := lab.New(c.options(set))
	if err != nil {
		return nil, err
	}
	s := &site{contender: c, lab: l, marks: map[string]int{}}
	if err := s.start(k); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: fresh hosts, %s: %w", c.name, k, err), s.close())
	}
	if err := s.settle(ctx, l.Addrs()...); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: fresh hosts, %s: %w: %w\n%s", c.name, k, errUnsettled, err, s.story(ctx)), s.close())
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
		if a := h.Agent(); a != nil {
			a.Inside = k == withoutConnector
		}
	}
	if err := s.lab.Start(); err != nil {
		return err
	}
	for _, c := range []struct {
		client  **lab.Client
		options lab.ClientOptions
	}{
		{&s.open, lab.ClientOptions{AnswerTimeout: openTimeout}},
		{&s.closed, lab.ClientOptions{Discipline: lab.ClosedLoop, DialTimeout: closedTimeout, AnswerTimeout: closedTimeout}},
		{&s.patient, lab.ClientOptions{Discipline: lab.ClosedLoop, DialTimeout: patientTimeout, AnswerTimeout: patientTimeout}},
	} {
		var err error
		if *c.client, err = s.lab.StartClient(c.options); err != nil {
			return err
		}
	}
	var err error
	s.watch, err = s.lab.StartWatcher(lab.WatchOptions{})
	return err
}

// close ends everything. An error of a client or the watcher makes what they saw worthless.
func (s *site) close() error {
	err := s.dismiss()
	if s.watch != nil {
		err = errors.Join(err, s.watch.Close())
	}
	return errors.Join(err, s.lab.Close())
}

// dismiss ends the clients.
func (s *site) dismiss() error {
	var err error
	for _, c := range s.clients() {
		err = errors.Join(err, c.Close())
	}
	return err
}

// identify notes how agents learn of memcached's death.
func (s *site) identify(ctx context.Context) error {
	a := s.lab.Hosts[0].Agent()
	if a == nil {
		return nil
	}
	r, err := report(ctx, a)
	s.detector = r.Detector
	return err
}

// clients are all that were started, the open loop first.
func (s *site) clients() []*lab.Client {
	var all []*lab.Client
	for _, c := range []*lab.Client{s.open, s.closed, s.patient} {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (s *site) homes() map[netip.Addr]string {
	m := map[netip.Addr]string{}
	for _, v := range s.lab.VIPs {
		m[v.Addr] = v.Home.Name
	}
	return m
}

// awaitMoved waits until all clients are served by another host, and returns the one that the open loop saw.
func (s *site) awaitMoved(ctx context.Context, vip netip.Addr, from string) (to string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if to, err = s.open.WaitMoved(ctx, vip, from); err != nil {
		return "", err
	}
	for _, c := range s.clients()[1:] {
		if _, err = c.WaitMoved(ctx, vip, from); err != nil {
			return to, err
		}
	}
	return to, nil
}

// story is what a reader of a broken promise wants to know: who answered, what the managers say, and their logs
// since the run began.
func (s *site) story(ctx context.Context) string {
	var b strings.Builder
	fmt.Fprintf(&b, "now is %s on the lab's clock, %s on the wall's\n", lab.Now(), time.Now().Format(clockFormat))
	for i, c := range s.clients() {
		s.tellOf([]string{"open loop", "closed loop", "patient"}[i], c, &b)
	}
	for _, h := range s.lab.Hosts {
		if a := h.Agent(); a != nil {
			out, code, err := a.Ctl(ctx, "status")
			fmt.Fprintf(&b, "--- agentctl status on %s: exit code %d, %v\n%s", h.Name, code, err, out)
		}
		fmt.Fprintf(&b, "--- log of the manager on %s\n%s", h.Name, h.Manager().Log()[s.marks[h.Name]:])
	}
	return b.String()
}

// failuresTold bounds what is told of each VIP; the open loop has a thousand a second.
const failuresTold = 20

// tellOf says who answered a client since the run began, and what failed first.
func (s *site) tellOf(name string, c *lab.Client, b *strings.Builder) {
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
		s.marks[h.Name] = len(h.Manager().Log())
	}
	now := lab.Now()
	for _, c := range s.clients() {
		c.Forget(now)
	}
	s.watch.Forget(now)
}
