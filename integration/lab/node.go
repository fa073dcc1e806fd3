package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// node is a network namespace with a name under /run/netns, and a thread that lives in it.
type node struct {
	name   string // among the nodes of its lab
	netns  string // among all network namespaces
	thread *thread
	ns     netns.NsHandle
	inode  uint64          // tells the namespace of any process
	nl     *netlink.Handle // speaks to the kernel about this namespace
}

func (l *Lab) newNode(name string) (*node, error) {
	n := &node{name: name, netns: l.netnsOf(name), ns: netns.None()}
	var err error
	n.thread, err = newThread(func() (err error) {
		n.ns, err = netns.NewNamed(n.netns)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: make network namespace %s: %w", n.netns, err)
	}
	if err := n.furnish(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) furnish() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(n.ns), &st); err != nil {
		return fmt.Errorf("lab: %s: stat namespace: %w", n.name, err)
	}
	n.inode = st.Ino
	var err error
	if n.nl, err = netlink.NewHandleAt(n.ns); err != nil {
		return fmt.Errorf("lab: %s: open netlink: %w", n.name, err)
	}
	lo, err := n.nl.LinkByName("lo")
	if err == nil {
		err = n.nl.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("lab: %s: bring lo up: %w", n.name, err)
	}
	return nil
}

// close takes the namespace's name away. The kernel frees the namespace when its last process is gone.
func (n *node) close() error {
	if n.nl != nil {
		n.nl.Close()
	}
	n.thread.close()
	err := n.ns.Close()
	if e := netns.DeleteNamed(n.netns); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("lab: remove network namespace %s: %w", n.netns, err)
	}
	return nil
}

// sweep ends what else runs in the namespace: what the programs of the lab started by themselves.
func (n *node) sweep() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("lab: %s: %w", n.name, err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if inode, err := namespaceOf(pid); err != nil || inode != n.inode {
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("lab: %s: end pid %d: %w", n.name, pid, err)
		}
	}
	return nil
}

// namespaceOf is the inode of the network namespace that a process is in.
func namespaceOf(pid int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// sysctl writes one of the namespace's own settings, as "ipv4/ip_nonlocal_bind".
func (n *node) sysctl(name, value string) error {
	// Which namespace /proc/sys/net shows depends on the thread that opens the file.
	return n.thread.do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("lab: %s: set net/%s: %w", n.name, name, err)
		}
		return nil
	})
}

// dial connects from within the namespace. The connection works from any thread afterwards.
func (n *node) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	var conn net.Conn
	err := inNamespace(int(n.ns), func() (err error) {
		d := net.Dialer{KeepAlive: -1} // an idle connection is to hear of nothing by itself
		conn, err = d.DialContext(ctx, "tcp4", to.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: from %s: %w", n.name, err)
	}
	return conn, nil
}

// eth0 is the node's end of its cable.
func (n *node) eth0() (netlink.Link, error) {
	link, err := n.nl.LinkByName("eth0")
	if err != nil {
		return nil, fmt.Errorf("lab: %s: find eth0: %w", n.name, err)
	}
	return link, nil
}
