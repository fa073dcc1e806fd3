package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/flush/fake"
	"memvip/integration/apart"
	"memvip/vip"
)

// patience is how long a test waits for what has to happen, on a machine that is busy with other things.
const patience = 60 * time.Second

const lanText = `
[cluster]
name      = "test"
voters    = { h1 = "10.77.0.11", w1 = "10.77.0.12", w2 = "10.77.0.13" }
witnesses = ["w1", "w2"]
key_file  = "key"

[memcached]
address = "%s"

[[vip]]
address = "10.77.0.101"
home    = "h1"

[[vip]]
address   = "10.77.0.102"
home      = "h1"
interface = "lan1"
`

// newServedCluster is newCluster with a pretended memcached that lives as long as the test.
func newServedCluster(t *testing.T) string {
	t.Helper()
	cache := fake.New(fake.Options{})
	t.Cleanup(cache.Close)
	instance, err := cache.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newCluster(t, instance)
}

// newCluster writes a configuration for the links lan0 and lan1 of this namespace, and returns its path.
func newCluster(t *testing.T, instance netip.AddrPort) string {
	t.Helper()
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	path := filepath.Join(dir, "agent.toml")
	for name, text := range map[string]string{path: fmt.Sprintf(lanText, instance), filepath.Join(dir, "key"): key} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func newLANs(t *testing.T) {
	t.Helper()
	newLAN(t, "lan0", "10.77.0.11/24", "10.77.0.12/24", "10.77.0.13/24")
	newLAN(t, "lan1")
}

// running is one agent in this process.
type running struct {
	dir   string
	stop  context.CancelFunc
	ended chan error
}

func startAgent(t *testing.T, config, node string) *running {
	t.Helper()
	return startAgentWith(t, Options{ConfigPath: config, Node: node})
}

// startAgentWith starts an agent with a runtime directory of its own, unless one is named.
func startAgentWith(t *testing.T, o Options) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{dir: t.TempDir(), stop: stop, ended: make(chan error, 1)}
	if o.RuntimeDir != "" {
		r.dir = o.RuntimeDir
	}
	o.RuntimeDir = r.dir
	go func() { r.ended <- Run(ctx, o) }()
	t.Cleanup(stop)
	return r
}

// end stops the agent and waits for it.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the agent does not end")
	}
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// isUp reports whether an address is on a link.
func isUp(t *testing.T, link, address string) bool {
	t.Helper()
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	list, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IP.String() == address {
			return true
		}
	}
	return false
}

func TestAnAgentTakesItsAddressesAndGivesThemAway(t *testing.T) {
	newLANs(t)
	config := newServedCluster(t)
	stale := vip.Address{Prefix: netip.MustParsePrefix("10.77.0.200/32"), Link: "lan0"}
	leaveBehind(t, stale)
	witnesses := []*running{startAgent(t, config, "w1"), startAgent(t, config, "w2")}
	home := startAgent(t, config, "h1")

	eventually(t, "both addresses are up", func() bool {
		return isUp(t, "lan0", "10.77.0.101") && isUp(t, "lan1", "10.77.0.102")
	})
	if isUp(t, "lan0", "10.77.0.200") {
		t.Error("an earlier life's address of no configured VIP is still up")
	}
	client := control.Client{Path: filepath.Join(home.dir, control.SocketName), Timeout: patience}
	var report control.Report
	eventually(t, "status shows them at home", func() bool {
		var err error
		report, _, err = client.Status(t.Context())
		return err == nil && len(report.VIPs) == 2 && report.VIPs[0].AtHome && report.VIPs[1].AtHome &&
			len(report.Addresses) == 2 // each is told of when it is up, which is after its VIP is held
	})
	if report.Cluster != "test" || report.Config.Path != config || report.Counters["saves"] == 0 {
		t.Errorf("the report lacks facts: %+v", report)
	}

	again := Run(t.Context(), Options{ConfigPath: config, Node: "h1", RuntimeDir: home.dir})
	if running, ok := errors.AsType[*RunningError](again); !ok || running.PID != os.Getpid() {
		t.Errorf("a second agent beside it: %v", again)
	}
	if _, ok := errors.AsType[*RunningError](Cleanup(home.dir, nil)); !ok || !isUp(t, "lan0", "10.77.0.101") {
		t.Error("cleanup took a living agent's addresses")
	}

	lan1, err := netlink.LinkByName("lan1")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(lan1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the address on the dead link is dropped", func() bool { return !isUp(t, "lan1", "10.77.0.102") })
	if !isUp(t, "lan0", "10.77.0.101") {
		t.Error("the other link's address is gone as well")
	}

	home.end(t)
	if isUp(t, "lan0", "10.77.0.101") {
		t.Error("up after the agent has ended")
	}
	if names := fmt.Sprint(namesIn(t, home.dir)); names != "[history.jsonl lock state.json]" {
		t.Errorf("left in the runtime directory: %s", names)
	}
	for _, w := range witnesses {
		w.end(t)
	}
}

// What other hands take off a link is put back, and counted.
func TestARemovedAddressIsPutBack(t *testing.T) {
	h := startHome(t, func(string) error { return unix.ENOEXEC })
	awaitHeld(t, h.dir, control.Report{})
	link, err := netlink.LinkByName("lan0")
	if err != nil {
		t.Fatal(err)
	}
	address, err := netlink.ParseAddr("10.77.0.101/32")
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if err := netlink.AddrDel(link, address); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the address is put back", func() bool { return isUp(t, "lan0", "10.77.0.101") })
		client := control.Client{Path: filepath.Join(h.dir, control.SocketName), Timeout: patience}
		eventually(t, "it is counted", func() bool {
			report, _, err := client.Status(t.Context())
			return err == nil && report.Counters["address_restored"] == n
		})
	}
	h.end(t)
}

// leaveBehind puts an address up as an earlier life would have.
func leaveBehind(t *testing.T, a vip.Address) {
	t.Helper()
	leaveFenced(t, a, vip.FenceOff, time.Hour)
}

// leaveFenced does so with a fence that lasts as long as the lease.
func leaveFenced(t *testing.T, a vip.Address, fence vip.FenceMode, lease time.Duration) {
	t.Helper()
	m, err := vip.Open(vip.Options{Fence: fence, Managed: []netip.Addr{a.Prefix.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Take(a, func() time.Duration { return lease }); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCleanupRemovesWhatADeadAgentLeft(t *testing.T) {
	newLANs(t)
	left := vip.Address{Prefix: netip.MustParsePrefix("10.77.0.101/32"), Link: "lan0"}
	leaveBehind(t, left)
	if !isUp(t, "lan0", "10.77.0.101") {
		t.Fatal("nothing left behind")
	}
	if err := Cleanup(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if isUp(t, "lan0", "10.77.0.101") {
		t.Error("still up")
	}
	if !isUp(t, "lan0", "10.77.0.11") {
		t.Error("the host's own address is gone")
	}
}

// What the kernel ends by itself is left to it, so that an agent that is started soon goes on; and not once it has.
func TestCleanupLeavesToTheFence(t *testing.T) {
	newLANs(t)
	left := vip.Address{Prefix: netip.MustParsePrefix("10.77.0.101/32"), Link: "lan0"}
	leaveFenced(t, left, vip.FenceNFTables, time.Hour)
	for range 2 {
		if err := Cleanup(t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		if !isUp(t, "lan0", "10.77.0.101") {
			t.Fatal("removed, though the fence is open and would close")
		}
	}
	leaveFenced(t, left, vip.FenceNFTables, 20*time.Millisecond)
	eventually(t, "it is removed, as its fence is closed", func() bool {
		if err := Cleanup(t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		return !isUp(t, "lan0", "10.77.0.101")
	})
}

// What an agent left up for the next one is left alone for as long as that one's lease would last, and only on the
// word of a state file that can be trusted.
func TestCleanupHonoursWhatWasLeftUp(t *testing.T) {
	newLANs(t)
	const hour = core.Instant(time.Hour)
	boot, err := hostBoot()
	if err != nil {
		t.Fatal(err)
	}
	marked := func(boot string, name core.Name, until core.Instant) []byte {
		text, err := encodeState(core.Durable{Boot: boot, Kept: []core.KeptRecord{{Name: name, Until: until}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	in := marked(boot, "10.77.0.101", boottime()+hour)
	for _, c := range []struct {
		name  string
		state []byte // nil: none
		stays bool
	}{
		{"left up", in, true},
		{"no mark", marked(boot, "10.77.0.109", boottime()+hour), false},
		{"its lease is over", marked(boot, "10.77.0.101", boottime()), false},
		{"no state file", nil, false},
		{"a damaged one", in[:len(in)/2], false},
		{"of another boot", marked("another", "10.77.0.101", boottime()+hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			leaveBehind(t, vip.Address{Prefix: netip.MustParsePrefix("10.77.0.101/32"), Link: "lan0"})
			leaveBehind(t, vip.Address{Prefix: netip.MustParsePrefix("10.77.0.102/32"), Link: "lan1"})
			if c.state != nil {
				if err := os.WriteFile(filepath.Join(dir, stateName), c.state, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			logger, log := logtest.NewNullLogger()
			if err := Cleanup(dir, logger); err != nil {
				t.Fatal(err)
			}
			if isUp(t, "lan0", "10.77.0.101") != c.stays {
				t.Errorf("up: %t, want %t", !c.stays, c.stays)
			}
			if isUp(t, "lan1", "10.77.0.102") {
				t.Error("the other address, which nobody marked, is up")
			}
			said := fmt.Sprint(log.AllEntries()[0].Message, log.AllEntries()[0].Data)
			if strings.Contains(said, "left up for the agent that is started next") != c.stays || !strings.Contains(said, "10.77.0.101") {
				t.Errorf("says %s", said)
			}
		})
	}
}

// An agent that is to keep leaves its addresses up and marked, the cleanup leaves them alone, and the next agent
// goes on with them and takes the mark away.
func TestAnAgentThatKeepsIsGoneOnWith(t *testing.T) {
	newLANs(t)
	config := newServedCluster(t)
	appendTo(t, config, "[agent]\nstop = \"keep\"\n")
	withLongestLease(t, config)
	dir := t.TempDir()
	witnesses := []*running{startAgent(t, config, "w1"), startAgent(t, config, "w2")}
	first := startAgentWith(t, Options{ConfigPath: config, Node: "h1", RuntimeDir: dir})
	before := awaitHeld(t, dir, control.Report{})

	first.end(t)
	boot, err := hostBoot()
	if err != nil {
		t.Fatal(err)
	}
	state, valid, _ := newStateFile(dir).Load(boot)
	if !valid || len(state.Kept) != 2 {
		t.Errorf("the state file is valid: %t, and marks %v", valid, state.Kept)
	}
	if err := Cleanup(dir, nil); err != nil {
		t.Fatal(err)
	}
	second := startAgentWith(t, Options{ConfigPath: config, Node: "h1", RuntimeDir: dir})
	after := awaitHeld(t, dir, before)
	for i, v := range after.VIPs {
		if v.Epoch != before.VIPs[i].Epoch {
			t.Errorf("%s is held in term %d, was in %d: it was taken anew", v.Address, v.Epoch, before.VIPs[i].Epoch)
		}
	}
	if state, _, _ := newStateFile(dir).Load(boot); len(state.Kept) > 0 {
		t.Errorf("still marked: %v", state.Kept)
	}
	second.end(t)
	for _, w := range witnesses {
		w.end(t)
	}
}

// withLongestLease gives a restart all the time that there can be, on a machine that is busy with other things.
func withLongestLease(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), "[cluster]\n", "[cluster]\nlease = \"5s\"\n", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatKeepsAnAgentFromStarting(t *testing.T) {
	newLANs(t)
	config := newCluster(t, netip.MustParseAddrPort("127.0.0.1:11211"))
	misfit := filepath.Join(filepath.Dir(config), "misfit.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(misfit, []byte(strings.Replace(string(text), "10.77.0.101", "10.78.0.101", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    Options
		code int
		want string
	}{
		{"no file", Options{ConfigPath: "/nowhere/agent.toml", Node: "h1"}, ExitConfig, "/nowhere/agent.toml"},
		{"no such node", Options{ConfigPath: config, Node: "h9"}, ExitConfig, `"h9" is neither voter nor node`},
		{"the host's name is no node", Options{ConfigPath: config}, ExitPlace, "is neither voter nor node"},
		{"no interface fits", Options{ConfigPath: misfit, Node: "h1"}, ExitPlace, "no interface fits 10.78.0.101"},
		{"no runtime directory", Options{ConfigPath: config, Node: "h1", RuntimeDir: filepath.Join(config, "dir")}, ExitFailure, "not a directory"},
		{"not this host's address", Options{ConfigPath: config, Node: "w3"}, ExitPlace, "no interface has 10.99.0.13, the address of w2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.Node == "w3" {
				c.o.ConfigPath, c.o.Node = elsewhere(t, config), "w2"
			}
			if c.o.RuntimeDir == "" {
				c.o.RuntimeDir = t.TempDir()
			}
			err := Run(t.Context(), c.o)
			if code, _ := ExitCode(err); code != c.code || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("code %d, %v; want %d, %q", code, err, c.code, c.want)
			}
		})
	}
}

// elsewhere returns the configuration with w2 at an address that this host does not have.
func elsewhere(t *testing.T, config string) string {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(config), "elsewhere.toml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "10.77.0.13", "10.99.0.13", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAMissingCapabilityIsNamed(t *testing.T) {
	newLANs(t)
	config := newCluster(t, netip.MustParseAddrPort("127.0.0.1:11211"))
	var err error
	_ = apart.OnOwnThread(func() error {
		none := [2]unix.CapUserData{}
		if err = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err == nil {
			err = Run(t.Context(), Options{ConfigPath: config, Node: "h1", RuntimeDir: t.TempDir()})
		}
		return nil
	})
	if code, _ := ExitCode(err); code != ExitCapability || !errors.Is(err, vip.ErrCapability) {
		t.Errorf("code %d, %v; want %d", code, err, ExitCapability)
	}
	if _, ok := errors.AsType[*configs.Error](err); ok {
		t.Errorf("blamed on the configuration: %v", err)
	}
}

// A list of voters that the machine would not go on to, from the one in the state file, is refused before it costs anything.
func TestCheckRefusesVotersTwoStepsAway(t *testing.T) {
	newLANs(t)
	o := Options{ConfigPath: newCluster(t, netip.MustParseAddrPort("127.0.0.1:11211")), Node: "h1", RuntimeDir: t.TempDir()}
	boot, err := hostBoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		inForce []string
		says    string
	}{
		{nil, ""}, // as on the first start
		{[]string{"h1", "w1", "w2"}, ""},
		{[]string{"h1", "w1"}, ""},
		{[]string{"h1", "w1", "w3"}, "cluster.voters: configured voters h1,w1,w2 differ from those in force h1,w1,w3 by 2"},
	} {
		if err := newStateFile(o.RuntimeDir).Save(core.Durable{Boot: boot, Voters: c.inForce}); err != nil {
			t.Fatal(err)
		}
		if err := Check(o); (err == nil) != (c.says == "") || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("from %v: %v, want %q", c.inForce, err, c.says)
		}
	}
}

// Whoever leaves the others by another name or port of the cluster takes the majority apart, host by host.
func TestTrialKeepsTogether(t *testing.T) {
	config := cluster(t)
	self, err := config.Self("h1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ago  time.Duration
		edit func(*configs.Cluster)
		says string
	}{
		{"as it is", 0, func(*configs.Cluster) {}, ""},
		{"another lease", 0, func(c *configs.Cluster) { c.Lease = time.Second }, ""},
		{"another port", 0, func(c *configs.Cluster) { c.Port++ }, "h1 and h2 would not hear each other: stop all agents first"},
		{"another name", 0, func(c *configs.Cluster) { c.Name = "other" }, "h1 and h2 would not hear each other"},
		{"another name, alone", time.Hour, func(c *configs.Cluster) { c.Name = "other" }, ""},
	} {
		asks := make(chan chan core.Status, 1)
		a := &agent{config: config, self: self, loop: &loop{shared: shared{queue: newQueue()}, asks: asks}}
		go func() {
			select {
			case answer := <-asks:
				answer <- core.Status{Nodes: []core.NodeStatus{{Name: "h1"}, {Name: "h2", Heard: true, Ago: c.ago}}}
			case <-t.Context().Done():
			}
		}()
		other := *config
		c.edit(&other.Cluster)
		if err := a.mayLeave(t.Context(), &other); (err == nil) != (c.says == "") || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// A port that somebody else has is found out before another life begins.
func TestTrialAsksForThePort(t *testing.T) {
	newLANs(t)
	path := newCluster(t, netip.MustParseAddrPort("127.0.0.1:11211"))
	config, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	self, err := config.Self("h1")
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{config: config, self: self}
	other := *config
	if err := a.mayListen(t.Context(), &other); err != nil { // it has that itself
		t.Error(err)
	}
	var taken net.ListenConfig
	l, err := taken.Listen(t.Context(), "tcp", netip.AddrPortFrom(self.Addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other.Cluster.Port = l.Addr().(*net.TCPAddr).Port
	if err := a.mayListen(t.Context(), &other); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a port that somebody has: %v", err)
	}
}

func TestCheckNamesAMissingCapability(t *testing.T) {
	newLANs(t)
	o := Options{ConfigPath: newCluster(t, netip.MustParseAddrPort("127.0.0.1:11211")), Node: "h1", RuntimeDir: t.TempDir()}
	if err := Check(o); err != nil {
		t.Errorf("with all that it needs: %v", err)
	}
	var err error
	_ = apart.OnOwnThread(func() error {
		none := [2]unix.CapUserData{}
		if err = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err == nil {
			err = Check(o)
		}
		return nil
	})
	if code, _ := ExitCode(err); code != ExitCapability || !strings.HasSuffix(err.Error(), "CAP_NET_ADMIN, CAP_NET_RAW") {
		t.Errorf("code %d, %v; want %d and both named", code, err, ExitCapability)
	}
}
