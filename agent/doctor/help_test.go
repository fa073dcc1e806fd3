package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"memvip/configs"
	"memvip/flush"
	"memvip/vip"
)

const sharedText = `
[cluster]
name     = "cache-prod"
voters   = { cache1 = "10.0.0.11", cache2 = "10.0.0.12", w1 = "10.0.0.13" }
witnesses = ["w1"]
nodes    = { cache4 = "10.0.0.14" }
key_file = "gossip.key"
%s
[memcached]
address = "127.0.0.1:11211"

[[vip]]
address = "10.0.0.101"
home    = "cache1"

[[vip]]
address = "10.0.0.102"
home    = "cache2"
`

const apartText = `
[cluster]
name     = "cache-prod"
voters   = { cache1 = "10.0.0.11", cache2 = "10.0.0.12", w1 = "10.0.0.13" }
witnesses = ["w1"]
key_file = "gossip.key"

[[vip]]
address  = "10.0.0.101"
home     = "cache1"
instance = "127.0.0.1:11301"
restart_command = ["true"]

[[vip]]
address  = "2001:db8::102"
interface = "eth0"
home     = "cache2"
instance = "127.0.0.1:11302"
`

// loaded writes a configuration and its key to files and reads them.
func loaded(t *testing.T, text string) *configs.Config {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.toml")
	writeFile(t, filepath.Join(dir, "gossip.key"), configs.NewKey().Text())
	writeFile(t, path, text)
	c, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// goodHost is one on which all is fine, for a test to break something.
func goodHost(config *configs.Config) *host {
	h := &host{
		Options: Options{RuntimeDir: "/run/memvip"}, config: config, self: configs.Member{Name: "cache1"},
		vips: config.Eligible("cache1"),
		proc: fstest.MapFS{
			"self/status":    {Data: []byte("Name:\tmemvip-agent\nVmLck:\t   20480 kB\n")},
			"self/net/route": {Data: []byte("Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\neth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n")},
			"1/comm":         {Data: []byte("systemd\n")},
		},
		links:     []link{linkOf("lo", "127.0.0.1/8"), linkOf("eth0", "10.0.0.11/24")},
		strangers: func([]netip.Addr) ([]vip.Address, error) { return nil, nil },
		statfs: func(string) (unix.Statfs_t, error) {
			return unix.Statfs_t{Type: unix.TMPFS_MAGIC, Bsize: 4096, Bavail: 1 << 20, Files: 1 << 20, Ffree: 1 << 19}, nil
		},
		runnable:  func([]string) error { return nil },
		listen:    func(context.Context, netip.AddrPort) error { return nil },
		tables:    func() error { return nil },
		connector: func() error { return nil },
		scheduler: func() (unix.SchedAttr, error) { return unix.SchedAttr{Policy: unix.SCHED_RR}, nil },
		examine:   func(context.Context, netip.AddrPort) (flush.Account, error) { return goodAccount(config), nil },
	}
	for _, name := range []string{"all", "eth0", "lo"} {
		for _, setting := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
			h.setSysctl(0, "ipv4", "conf", name, setting)
		}
		h.setSysctl(0, "ipv6", "conf", name, "disable_ipv6")
	}
	h.setSysctl(1, "ipv4", "ip_nonlocal_bind")
	h.setSysctl(1, "ipv6", "ip_nonlocal_bind")
	return h
}

func linkOf(name string, prefixes ...string) link {
	l := link{Link: configs.Link{Name: name}, up: true, carrier: true, loopback: name == "lo"}
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

func (h *host) setSysctl(value int, parts ...string) {
	h.proc.(fstest.MapFS)["sys/net/"+strings.Join(parts, "/")] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d\n", value)}
}

// addLink adds an interface with its settings.
func (h *host) addLink(name string, prefixes ...string) {
	h.links = append(h.links, linkOf(name, prefixes...))
	for _, setting := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
		h.setSysctl(0, "ipv4", "conf", name, setting)
	}
}

// goodAccount is of a memcached that listens on loopback and all VIPs.
func goodAccount(config *configs.Config) flush.Account {
	a := flush.Account{
		Figures: flush.Figures{FlushEnabled: true, Version: "1.6.18", CurrConns: 10, MaxConns: 1024},
		Settings: map[string]string{
			"auth_enabled_sasl": "no", "auth_enabled_ascii": "no", "idle_timeout": "0", "udpport": "0", "shutdown_command": "no",
			"slab_reassign": "yes", "cas_enabled": "yes", "lru_crawler": "yes", "lru_maintainer_thread": "yes",
		},
		Listeners: addrPorts("127.0.0.1:11211"),
	}
	for _, v := range config.VIPs {
		a.Listeners = append(a.Listeners, netip.AddrPortFrom(v.Prefix.Addr(), 11211))
	}
	return a
}

func addrPorts(list ...string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range list {
		all = append(all, netip.MustParseAddrPort(a))
	}
	return all
}

// answering makes every instance give an account that was changed.
func (h *host) answering(change func(*flush.Account)) {
	h.examine = func(context.Context, netip.AddrPort) (flush.Account, error) {
		a := goodAccount(h.config)
		change(&a)
		return a, nil
	}
}

// want is one finding that a test waits for: what it says has every one of the words.
type want struct {
	check    Check
	severity Severity
	words    string // separated by "|"
}

// wantOnly fails unless the wanted finding is there and everything else is fine.
func wantOnly(t *testing.T, findings []Finding, w want) {
	t.Helper()
	if len(findings) == 0 {
		t.Fatal("no findings")
	}
	found := false
	for _, f := range findings {
		complete(t, f)
		switch {
		case f.Check == w.check && f.Severity == w.severity && saysAll(f, w.words):
			found = true
		case f.Severity != OK && (w.severity == OK || f.Check != w.check):
			t.Errorf("also: %+v", f)
		}
	}
	if !found {
		t.Errorf("no %s %s with %q in %+v", w.severity, w.check, w.words, slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Check != w.check }))
	}
}

func saysAll(f Finding, words string) bool {
	for _, word := range strings.Split(words, "|") {
		if !strings.Contains(f.What+" "+f.Mend, word) {
			return false
		}
	}
	return true
}

// complete fails for a finding that leaves its reader alone.
func complete(t *testing.T, f Finding) {
	t.Helper()
	if f.Check == "" || f.Severity == "" || f.Subject == "" || f.What == "" {
		t.Errorf("incomplete: %+v", f)
	}
	if (f.Severity != OK) != (f.Why != "" && f.Mend != "") {
		t.Errorf("what is not fine needs why and mend, what is fine neither: %+v", f)
	}
}
