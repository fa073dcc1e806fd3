package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

// Port is where every VIP is served.
const Port = 11211

// instancePort is the loopback port of the instance of VIP number 0, if each VIP has one of its own.
const instancePort = 11301

// Memcached is one memcached on one host: the one that serves every VIP there, or with
// Options.InstancePerVIP the one of a single VIP.
type Memcached struct {
	daemon
	host    *Host
	private netip.AddrPort // where the agent and the lab reach it, whatever VIP is up
	listen  string         // for -l

	// Program stands in for the installed memcached, with the same arguments; "" for none. A change counts
	// from the next start.
	Program string

	// Args are arguments beyond the lab's own, as []string{"-F"} or {"-m", "2048"}. A change counts
	// from the next start.
	Args []string
}

func newMemcached(h *Host, name, listen string, private netip.AddrPort) *Memcached {
	o := h.lab.options
	m := &Memcached{host: h, private: private, listen: listen, Args: o.MemcachedArgs}
	m.daemon = daemon{
		name:    h.Name + ": " + name,
		thread:  h.thread,
		born:    func(pid int) { h.lab.remember(pid, h) },
		logPath: filepath.Join(h.dir, name+".log"),
		pidPath: filepath.Join(h.dir, name+".pid"),
		dir:     h.dir,
		respawn: o.Respawn,
		argv:    func() []string { return append([]string{cmp.Or(m.Program, h.lab.memcached)}, m.args()...) },
	}
	return m
}

// args are Debian's defaults but for what a lab must have otherwise: where to listen, root (a change of
// user would also undo Pdeathsig), and room for the connections that an open loop piles up.
func (m *Memcached) args() []string {
	own := []string{"-l", m.listen, "-p", strconv.Itoa(Port), "-U", "0", "-u", "root", "-m", "64", "-c", "4000"}
	return append(own, m.Args...)
}

// Start runs memcached and waits until it answers on its private address.
func (m *Memcached) Start() error {
	if err := m.daemon.Start(); err != nil {
		return err
	}
	return m.WaitReady()
}

// WaitReady waits until memcached answers on its private address. A refusal to talk without a login
// is an answer.
func (m *Memcached) WaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := poll(ctx, func() error {
		s, err := m.Open(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.Do("version")
		return err
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, m.Log())
	}
	return nil
}

// Addr is the private address: loopback on its host.
func (m *Memcached) Addr() netip.AddrPort { return m.private }

// Host is where it runs.
func (m *Memcached) Host() *Host { return m.host }

// Open connects to the private address from the host itself, whatever VIP is up. The deadline of ctx holds for the
// session's whole life.
func (m *Memcached) Open(ctx context.Context) (*Session, error) {
	return m.host.open(ctx, m.private)
}

// Fill stores at least that many bytes of values, for a cache that takes long to die. It needs room: Args "-m".
func (m *Memcached) Fill(ctx context.Context, bytes int) error {
	s, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Fill(bytes)
}
