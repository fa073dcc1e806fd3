//go:build package

package installed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// cluster is three machines on one switch, a client that reads and writes through every VIP, and a watcher.
type cluster struct {
	*lab.Lab
	machines []*machine
	client   *lab.Client
	watcher  *lab.Watcher
	rows     []row
}

// newCluster boots three Debian hosts on which nothing of memvip is installed. They go with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	l, err := lab.New(lab.Options{Hosts: hostsMax, WhoIs: hostOf})
	must(t, err)
	c := &cluster{Lab: l}
	t.Cleanup(func() { c.close(t) })
	for i, h := range l.Hosts {
		m := &machine{Host: h, number: i + 1}
		c.machines = append(c.machines, m)
		must(t, m.assemble(basePath(folder)))
	}
	c.each(t, func(m *machine) error { return m.start(within(t)) })
	c.client, err = l.StartClient(lab.ClientOptions{Interval: 2 * time.Millisecond})
	must(t, err)
	c.watcher, err = l.StartWatcher(lab.WatchOptions{})
	must(t, err)
	return c
}

// each does something on every machine at once.
func (c *cluster) each(t *testing.T, do func(*machine) error) {
	t.Helper()
	results := make(chan error)
	for _, m := range c.machines {
		go func() { results <- do(m) }()
	}
	var err error
	for range c.machines {
		err = errors.Join(err, <-results)
	}
	must(t, err)
}

// close ends everything, the machines as a power cut does.
func (c *cluster) close(t *testing.T) {
	err := c.Lab.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, m := range c.machines {
		err = errors.Join(err, m.awaitOff(ctx), unix.Unmount(m.disk("root"), unix.MNT_DETACH), os.RemoveAll(filepath.Join(disks, m.Name)))
	}
	if err != nil {
		t.Errorf("close: %v", err)
	}
}

// on runs a command on a machine, which must succeed, and returns what it printed.
func on(t *testing.T, m *machine, command string) string {
	t.Helper()
	out, err := m.shell(within(t), command)
	must(t, err)
	return out
}

// refused runs a command on a machine, which must fail, and returns what it printed.
func refused(t *testing.T, m *machine, command string) string {
	t.Helper()
	out, err := m.shell(within(t), command)
	if err == nil {
		t.Errorf("%s: %s: it succeeded:\n%s", m.Name, command, out)
	}
	return out
}

// put writes a file on a machine.
func (m *machine) put(ctx context.Context, path string, mode os.FileMode, content []byte) error {
	_, err := m.shellWith(ctx, content, fmt.Sprintf("install -m %o /dev/stdin %s", mode, path))
	return err
}

// status is what the agent of a machine says, and agentctl's exit code with it.
func (m *machine) status(ctx context.Context) (control.Report, error) {
	var r control.Report
	out, _ := m.shell(ctx, "agentctl status --json 2>/dev/null") // the exit code is in the report too
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, fmt.Errorf("%s: status: %w\n%s", m.Name, err, out)
	}
	return r, nil
}

// well waits until every VIP is served at home, by that host alone, and could be taken over: what a fault costs is worth
// knowing where another could step in. It returns the report of the first machine.
func (c *cluster) well(t *testing.T) control.Report {
	t.Helper()
	homes := map[netip.Addr]string{}
	for _, v := range c.VIPs {
		homes[v.Addr] = v.Home.Name
	}
	must(t, c.client.WaitAllServed(within(t), homes))
	var first control.Report
	ctx := within(t)
	must(t, poll(ctx, 200*time.Millisecond, func() error {
		for _, v := range c.VIPs {
			if who := c.watcher.Answering(v.Addr); len(who) != 1 || who[0] != v.Home.Name {
				return fmt.Errorf("%s: %v answer for it", v.Addr, who)
			}
		}
		for i, m := range slices.Backward(c.machines) {
			r, err := m.status(ctx)
			if err == nil {
				err = unwell(r)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			if i == 0 {
				first = r
			}
		}
		return nil
	}))
	return first
}

// unwell says what is wrong with a cluster; a cache that may hold old values of a guest that went home is not.
func unwell(r control.Report) error {
	if r.Quorum.Answering != r.Quorum.Voters {
		return fmt.Errorf("%d of %d voters answer", r.Quorum.Answering, r.Quorum.Voters)
	}
	for _, v := range r.VIPs {
		if !v.AtHome || !v.Served {
			return fmt.Errorf("%s: %s: %s", v.Address, v.Place, v.Why)
		}
		if !slices.ContainsFunc(v.Candidates, func(c control.Candidate) bool { return !c.Home }) {
			return fmt.Errorf("%s: nobody could take it over: %v", v.Address, r.Problems)
		}
	}
	return nil
}

// away waits until a host serves the VIP of a machine that is not this machine.
func (c *cluster) away(t *testing.T, m *machine) {
	t.Helper()
	_, err := c.client.WaitMoved(within(t), c.vipOf(m), m.Name)
	must(t, err)
}

// vipOf is the VIP that is at home on a machine.
func (c *cluster) vipOf(m *machine) netip.Addr { return c.VIPs[m.number-1].Addr }

// tell logs what a reader of a failed test wants to know.
func (c *cluster) tell(t *testing.T) {
	t.Helper()
	for _, m := range c.machines {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		out, err := m.shell(ctx, "agentctl status; journalctl --boot --no-pager --lines=80 --unit=memvip-agent --unit=memcached; systemctl --failed --no-pager")
		cancel()
		t.Logf("%s: %v\n%s", m.Name, err, out)
	}
}

// lease is longer than what is usual. A restart by systemd has to fit into it, which on a busy machine takes half a second of
// putting sandboxes up and down, and this test is to find out what moves, not how quick the machine is.
const lease = 2 * time.Second

// configuration is the file of all hosts, with more lines for its end.
func (c *cluster) configuration(more ...string) []byte {
	var b strings.Builder
	b.WriteString("[cluster]\nname     = \"installed\"\n")
	var voters []string
	for _, h := range c.Hosts {
		voters = append(voters, fmt.Sprintf("%s = %q", h.Name, h.Addr))
	}
	fmt.Fprintf(&b, "voters   = { %s }\nkey_file = %q\nlease    = %q\n\n", strings.Join(voters, ", "), keyFile, lease)
	b.WriteString("[memcached]\naddress         = \"127.0.0.1:11211\"\nrestart_command = [\"systemctl\", \"restart\", \"memcached.service\"]\n")
	for _, v := range c.VIPs {
		// Scenes follow each other closely, and each loss doubles this.
		fmt.Fprintf(&b, "\n[[vip]]\naddress = %q\nhome    = %q\nfailback_delay = \"100ms\"\n", v.Addr, v.Home.Name)
	}
	for _, line := range more {
		b.WriteString("\n" + line + "\n")
	}
	return []byte(b.String())
}
