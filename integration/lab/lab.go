package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options says what a lab is made of. The zero value is three hosts, one VIP each, one memcached each, no agent.
type Options struct {
	Hosts int // 3 if zero; named cache1, cache2, ... at 10.77.0.11, .12, ...
	// VIPs are as many as hosts if zero, at 10.77.0.101, .102, ..., or behind the hosts if those reach that far; their
	// homes are the hosts in turn.
	VIPs   int
	Voters int // the first of the hosts, which alone have votes; all if zero

	// InstancePerVIP runs one memcached for each VIP on every host instead of one for all.
	InstancePerVIP bool
	// MemcachedArgs go to every memcached, behind the lab's own.
	MemcachedArgs []string
	// Respawn starts a memcached again this long after it died by itself or by Kill, as a service
	// manager would; 0 leaves it dead.
	Respawn time.Duration

	// WhoIs names the host of a memcached that the lab did not start, by the process id that memcached gives for
	// itself, or ""; nil where the lab starts all of them. Hosts that are containers need it: theirs count their
	// processes from 1 each.
	WhoIs func(pid int) (host string)

	Agent     string   // path of memvip-agent; "" for a lab without agents
	AgentCtl  string   // path of agentctl, for Agent.Status and Agent.Ctl
	AgentArgs []string // arguments of memvip-agent behind those that every agent of a lab gets
	AgentEnv  []string // memvip-agent's environment, as NAME=value, beside the lab's own
	// Ordinary starts agents in the scheduling class of everybody, as where their unit's is not allowed.
	Ordinary bool

	// Keepalived runs keepalived on every host instead of an agent; nil for none.
	Keepalived *KeepalivedOptions

	Lease         time.Duration // cluster.lease; left to the agent's default if zero
	ClusterTOML   string        // lines for [cluster]
	MemcachedTOML string        // lines for [memcached]
	VIPTOML       string        // lines for each [[vip]]
	ExtraTOML     string        // lines, with their headers, for the end
}

func (o Options) withDefaults() Options {
	if o.Hosts == 0 {
		o.Hosts = 3
	}
	if o.VIPs == 0 {
		o.VIPs = o.Hosts
	}
	if o.Voters == 0 {
		o.Voters = o.Hosts
	}
	return o
}

// Bounds of a lab: all its addresses are in one /24.
const (
	hostsMax = 120
	vipsMax  = 120
)

func (o Options) check() error {
	switch {
	case o.Hosts < 1 || o.Hosts > hostsMax || o.VIPs < 1 || o.VIPs > vipsMax:
		return fmt.Errorf("lab: %d hosts and %d VIPs: want 1 to %d and 1 to %d", o.Hosts, o.VIPs, hostsMax, vipsMax)
	case o.Voters < 1 || o.Voters > o.Hosts:
		return fmt.Errorf("lab: %d voters: want 1 to %d, the number of hosts", o.Voters, o.Hosts)
	}
	return nil
}

// VIP is one service address of the lab.
type VIP struct {
	Index int
	Addr  netip.Addr
	Home  *Host
}

// Lab is a set of hosts on one switch, with a client and a watcher beside them. Labs of one process share
// nothing but the machine.
type Lab struct {
	Hosts []*Host
	VIPs  []VIP

	options    Options
	dir        string
	memcached  string
	keepalived string   // "" without Options.Keepalived
	chrt       []string // what agents are started by
	config     string
	base       *thread // lives in the namespace that Enter left us in
	net        *network
	client     *node
	watch      *node

	mu      sync.Mutex // guards what follows, and Host.node
	closers []func()   // clients and watchers that still run
	pids    map[int]*Host
}

// Names of the switch's ports that are no hosts.
const (
	clientName = "client"
	watchName  = "watch"
	watchPort  = 8
	labPrefix  = "memvip-lab-"
	clientPort = 9
)

func labAddr(last int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(last)}) }

// Where hosts and VIPs begin.
const (
	hostFirst = 11
	vipFirst  = 101
)

func hostAddr(i int) netip.Addr { return labAddr(hostFirst + i) }

// vipAddr is where VIP number i is beside so many hosts.
func vipAddr(i, hosts int) netip.Addr { return labAddr(max(vipFirst, hostFirst+hosts) + i) }

// New builds the network and the hosts. Nothing runs yet: see Start, StartMemcached and StartAgents.
func New(o Options) (*Lab, error) {
	o = o.withDefaults()
	if !furnished {
		return nil, errors.New("lab: Enter must be called first thing in main or TestMain")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	l := &Lab{options: o, pids: map[int]*Host{}}
	if err := l.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	var err error
	if l.memcached, err = memcachedPath(); err != nil {
		return err
	}
	if !l.options.Ordinary {
		if l.chrt, err = scheduled(); err != nil {
			return err
		}
	}
	if l.dir, err = os.MkdirTemp(runDir, labPrefix); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if l.base, err = newThread(func() error { return nil }); err != nil {
		return err
	}
	if l.net, err = newNetwork(l); err != nil {
		return err
	}
	if l.client, err = l.bystander(clientName, clientPort); err != nil {
		return err
	}
	if l.watch, err = l.bystander(watchName, watchPort); err != nil {
		return err
	}
	for i := range l.options.Hosts {
		l.Hosts = append(l.Hosts, &Host{Name: fmt.Sprintf("cache%d", i+1), Addr: hostAddr(i), lab: l})
	}
	for i := range l.options.VIPs {
		l.VIPs = append(l.VIPs, VIP{Index: i, Addr: vipAddr(i, len(l.Hosts)), Home: l.Hosts[i%len(l.Hosts)]})
	}
	if l.options.Agent != "" {
		if l.config, err = l.writeConfig(l.options); err != nil {
			return err
		}
	}
	for _, h := range l.Hosts {
		if err := errors.Join(h.equip(), h.boot()); err != nil {
			return err
		}
	}
	if l.options.Keepalived != nil {
		return l.prepareKeepalived()
	}
	return nil
}

// netnsOf names the network namespace of a node. Labs have folders of their own, and so namespaces.
func (l *Lab) netnsOf(node string) string { return filepath.Base(l.dir) + "-" + node }

// bystander makes a node that is no host.
func (l *Lab) bystander(name string, last int) (*node, error) {
	n, err := l.newNode(name)
	if err != nil {
		return nil, err
	}
	if err := l.net.connect(n, netip.PrefixFrom(labAddr(last), 24)); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// Close ends every process, client and watcher, and removes every namespace and file of the lab.
func (l *Lab) Close() error {
	l.mu.Lock()
	closers := l.closers
	l.closers = nil
	l.mu.Unlock()
	for _, c := range closers {
		c()
	}
	var err error
	for _, h := range l.Hosts {
		err = errors.Join(err, h.close())
	}
	for _, n := range []*node{l.client, l.watch} {
		if n != nil {
			err = errors.Join(err, l.net.disconnect(n.name), n.close())
		}
	}
	if l.net != nil {
		err = errors.Join(err, l.net.sw.close())
	}
	if l.base != nil {
		l.base.close()
	}
	if l.keepalived != "" {
		err = errors.Join(err, l.clearKeepalived())
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir))
	}
	return err
}

// onClose has a client or watcher closed with the lab, before its network goes.
func (l *Lab) onClose(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// StartMemcached starts every memcached of every host, and waits until all answer.
func (l *Lab) StartMemcached() error {
	for _, h := range l.Hosts {
		if err := h.StartMemcached(); err != nil {
			return err
		}
	}
	return nil
}

// StartAgents starts the agent of every host.
func (l *Lab) StartAgents() error {
	for _, h := range l.Hosts {
		if h.agent == nil {
			return errors.New("lab: start agents: Options.Agent names none")
		}
		if err := h.agent.Start(); err != nil {
			return err
		}
	}
	return nil
}

// Start starts every memcached, then every agent, or every keepalived.
func (l *Lab) Start() error {
	if err := l.StartMemcached(); err != nil {
		return err
	}
	return l.StartManagers()
}

// Dir holds the lab's files: agent.toml, gossip.key, and a folder for each host with its logs.
func (l *Lab) Dir() string { return l.dir }

// Config is the path of the agents' configuration; "" for a lab without agents.
func (l *Lab) Config() string { return l.config }

// Host finds a host by name. A name that no host has is a mistake of the caller's.
func (l *Lab) Host(name string) *Host {
	for _, h := range l.Hosts {
		if h.Name == name {
			return h
		}
	}
	panic(fmt.Sprintf("lab: no host %q", name))
}

func (l *Lab) vip(addr netip.Addr) VIP {
	for _, v := range l.VIPs {
		if v.Addr == addr {
			return v
		}
	}
	panic(fmt.Sprintf("lab: no VIP %s", addr))
}

// Addrs are the addresses of all VIPs.
func (l *Lab) Addrs() []netip.Addr {
	addrs := make([]netip.Addr, len(l.VIPs))
	for i, v := range l.VIPs {
		addrs[i] = v.Addr
	}
	return addrs
}

// OpenVIP connects to a VIP as a client does, from the client's own namespace. The deadline of ctx holds for
// the session's whole life.
func (l *Lab) OpenVIP(ctx context.Context, vip netip.Addr) (*Session, error) {
	return open(ctx, l.client, netip.AddrPortFrom(vip, Port))
}

// Logs is what all programs of the lab have written, host by host, for a test that failed.
func (l *Lab) Logs() string {
	var b strings.Builder
	for _, h := range l.Hosts {
		for _, d := range h.daemons() {
			if log := d.Log(); log != "" {
				fmt.Fprintf(&b, "--- %s (%s)\n%s", d.name, d.LogPath(), log)
			}
		}
	}
	return b.String()
}

// outside is the thread in the namespace that Enter left us in.
func (l *Lab) outside() *thread { return l.base }

// remember notes which host a process was started on.
func (l *Lab) remember(pid int, h *Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pids[pid] = h
}

// hostOfPID names the host that a process runs on, or "". For one that the lab did not start, such as
// a memcached that a restart command brought up, its network namespace tells.
func (l *Lab) hostOfPID(pid int) string {
	if l.options.WhoIs != nil {
		return l.options.WhoIs(pid)
	}
	inode, err := namespaceOf(pid)
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.pids[pid]; h != nil {
		return h.Name
	}
	for _, h := range l.Hosts {
		if err == nil && h.node != nil && h.node.inode == inode {
			return h.Name
		}
	}
	return ""
}

// hostOfMAC names the host that a hardware address belongs to, or "".
func (l *Lab) hostOfMAC(mac [6]byte) string {
	for _, h := range l.Hosts {
		if portMAC(int(h.Addr.As4()[3])) == mac {
			return h.Name
		}
	}
	return ""
}
