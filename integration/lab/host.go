package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
)

// Host is one machine of the lab.
type Host struct {
	Name string
	Addr netip.Addr // on eth0

	lab        *Lab
	node       *node
	dir        string
	agent      *Agent
	keepalived *Keepalived
	instances  []*Memcached // one, or one for each VIP
}

// Agent is the host's agent; nil if Options.Agent is empty.
func (h *Host) Agent() *Agent { return h.agent }

// Keepalived is the host's keepalived; nil if Options.Keepalived is.
func (h *Host) Keepalived() *Keepalived { return h.keepalived }

// Memcached is the instance that serves the host's own VIP; without Options.InstancePerVIP the only one.
func (h *Host) Memcached() *Memcached {
	for _, v := range h.lab.VIPs {
		if v.Home == h {
			return h.Instance(v.Addr)
		}
	}
	return h.instances[0]
}

// Instance is the instance that serves a VIP on this host.
func (h *Host) Instance(vip netip.Addr) *Memcached {
	if len(h.instances) == 1 {
		return h.instances[0]
	}
	return h.instances[h.lab.vip(vip).Index]
}

// Instances are all memcacheds of the host.
func (h *Host) Instances() []*Memcached { return h.instances }

// StartMemcached starts every instance of the host.
func (h *Host) StartMemcached() error {
	for _, m := range h.instances {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return nil
}

// equip makes the host's folder and what may run on it. It happens once; the host may lose and regain
// power many times.
func (h *Host) equip() error {
	o := h.lab.options
	h.dir = filepath.Join(h.lab.dir, h.Name)
	if err := os.MkdirAll(filepath.Join(h.dir, "run"), 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if o.Agent != "" {
		h.agent = newAgent(h)
	}
	if o.Keepalived != nil {
		h.keepalived = newKeepalived(h)
	}
	if !o.InstancePerVIP {
		private := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port)
		h.instances = []*Memcached{newMemcached(h, "memcached", "0.0.0.0", private)}
		return nil
	}
	for _, v := range h.lab.VIPs {
		private := instanceAddr(v.Index)
		listen := fmt.Sprintf("%s:%d,%s", v.Addr, Port, private)
		h.instances = append(h.instances, newMemcached(h, fmt.Sprintf("memcached-%d", v.Index), listen, private))
	}
	return nil
}

// boot makes the host's namespace and cable.
func (h *Host) boot() error {
	n, err := h.lab.newNode(h.Name)
	if err != nil {
		return err
	}
	h.setNode(n)
	if err := h.lab.net.connect(n, netip.PrefixFrom(h.Addr, 24)); err != nil {
		return err
	}
	if !h.lab.options.InstancePerVIP {
		return nil
	}
	// Each instance listens on its VIP long before the host holds it.
	return n.sysctl("ipv4/ip_nonlocal_bind", "1")
}

// Netns is the name of the host's network namespace, as `ip netns` and the agent's --netns know it.
func (h *Host) Netns() string { return h.lab.netnsOf(h.Name) }

func (h *Host) setNode(n *node) {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	h.node = n
}

// powered is the host's namespace, or an error if it has none.
func (h *Host) powered() (*node, error) {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.node == nil {
		return nil, fmt.Errorf("lab: %s: the host has no power", h.Name)
	}
	return h.node, nil
}

// thread is where the host's processes are started; nil without power.
func (h *Host) thread() *thread {
	n, err := h.powered()
	if err != nil {
		return nil
	}
	return n.thread
}

// open connects from the host itself.
func (h *Host) open(ctx context.Context, to netip.AddrPort) (*Session, error) {
	n, err := h.powered()
	if err != nil {
		return nil, err
	}
	return open(ctx, n, to)
}

// OpenVIP connects to a VIP from this host, as a neighbour whom no fault of the client's keeps away. The deadline of ctx
// holds for the session's whole life.
func (h *Host) OpenVIP(ctx context.Context, vip netip.Addr) (*Session, error) {
	return h.open(ctx, netip.AddrPortFrom(vip, Port))
}

func instanceAddr(vip int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(instancePort+vip))
}

// daemons are all programs of the host, the manager first.
func (h *Host) daemons() []*daemon {
	var all []*daemon
	if h.agent != nil {
		all = append(all, &h.agent.daemon)
	}
	if h.keepalived != nil {
		all = append(all, &h.keepalived.daemon)
	}
	for _, m := range h.instances {
		all = append(all, &m.daemon)
	}
	return all
}

// Freeze stops every process of the host, the manager first, as a hypervisor does that pauses it, but for its kernel:
// that goes on to answer ARP, and to count time.
func (h *Host) Freeze() (Instant, error) {
	at := Now()
	for _, d := range h.daemons() {
		if _, err := d.Freeze(); err != nil {
			return at, err
		}
	}
	return at, nil
}

// Thaw lets all of them go on, memcached first, which then serves what waits for it.
func (h *Host) Thaw() (Instant, error) {
	at := Now()
	for _, d := range slices.Backward(h.daemons()) {
		if _, err := d.Thaw(); err != nil {
			return at, err
		}
	}
	return at, nil
}

// Run runs a command in the host's namespace, and fails with what it wrote if it does.
func (h *Host) Run(ctx context.Context, argv ...string) error {
	return h.Inside(func() error {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("lab: %s: %v: %w: %s", h.Name, argv, err, out)
		}
		return nil
	})
}

// Inside runs f on a thread in the host's namespace: sockets that f opens are the host's, for good.
func (h *Host) Inside(f func() error) error {
	n, err := h.powered()
	if err != nil {
		return err
	}
	return inNamespace(int(n.ns), f)
}

// TakeByHand adds an address to eth0, without announcing it, as an operator would who knows no better.
func (h *Host) TakeByHand(vip netip.Addr) error {
	return h.address("add", vip, func(nl *netlink.Handle) func(netlink.Link, *netlink.Addr) error { return nl.AddrAdd })
}

// DropByHand removes an address from eth0. Connections to it stay, deaf.
func (h *Host) DropByHand(vip netip.Addr) error {
	return h.address("delete", vip, func(nl *netlink.Handle) func(netlink.Link, *netlink.Addr) error { return nl.AddrDel })
}

func (h *Host) address(verb string, vip netip.Addr, op func(*netlink.Handle) func(netlink.Link, *netlink.Addr) error) error {
	n, err := h.powered()
	if err != nil {
		return err
	}
	return n.address(verb, vip, op(n.nl))
}

// AnnounceByHand sends one gratuitous ARP for the address, whether the host has it or not.
func (h *Host) AnnounceByHand(vip netip.Addr) error {
	n, err := h.powered()
	if err != nil {
		return err
	}
	return n.announce(vip, portMAC(int(h.Addr.As4()[3])))
}

// close ends the host: processes, cable, namespace.
func (h *Host) close() error {
	for _, d := range h.daemons() {
		d.stop()
	}
	n, err := h.powered()
	if err != nil {
		return nil // it is off already
	}
	h.setNode(nil)
	return errors.Join(n.sweep(), h.lab.net.disconnect(h.Name), n.close())
}
