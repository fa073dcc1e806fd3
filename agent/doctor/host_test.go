package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"memvip/configs"
	"memvip/health"
	"memvip/vip"
)

// Each row breaks one thing of a host on which all is fine, and finds just that.
func TestHost(t *testing.T) {
	shared := fmt.Sprintf(sharedText, "")
	for _, c := range []struct {
		name   string
		text   string // shared if empty
		change func(*testing.T, *host)
		want   want
	}{
		{"fine", "", func(*testing.T, *host) {}, want{CheckNode, OK, "cache1"}},
		{"fine, an instance for each", apartText, func(*testing.T, *host) {}, want{CheckRestartCommand, OK, "true is there"}},
		{"fine as the agent", "", func(_ *testing.T, h *host) { h.Agent = &Agent{Fence: "nftables", Detector: "process connector"} }, want{CheckScheduling, OK, "real-time"}},
		{"a witness has no memcached", "", func(_ *testing.T, h *host) {
			h.self.Name, h.vips = "w1", nil
			h.links = append(h.links, linkOf("eth9", "10.0.0.13/24"))
			h.connector = func() error { panic("a witness needs none") }
		}, want{CheckOwnAddress, OK, "10.0.0.13"}},
		{"a stranger's name", "", func(_ *testing.T, h *host) { h.self.Name = "cache9" }, want{CheckNode, Failure, "cache9|--node"}},

		{"lacks a right", "", func(_ *testing.T, h *host) { h.lacks = []string{"CAP_NET_RAW"} }, want{CheckCapabilities, Failure, "CAP_NET_RAW"}},
		{"lacks a right as a user", "", func(_ *testing.T, h *host) { h.lacks, h.uid = []string{"CAP_NET_RAW"}, 1000 }, want{CheckCapabilities, Unknown, "sudo"}},
		{"rights unread", "", func(_ *testing.T, h *host) { h.lacksErr = errors.New("no such call") }, want{CheckCapabilities, Unknown, "no such call"}},
		{"ordinary class", "", func(_ *testing.T, h *host) {
			h.Agent = &Agent{}
			h.scheduler = func() (unix.SchedAttr, error) { return unix.SchedAttr{Policy: unix.SCHED_NORMAL}, nil }
		}, want{CheckScheduling, Warning, "CPUSchedulingPolicy=rr"}},
		{"memory unlocked", "", func(_ *testing.T, h *host) {
			h.Agent = &Agent{}
			h.proc.(fstest.MapFS)["self/status"].Data = []byte("VmLck:\t       0 kB\n")
		}, want{CheckMemoryLock, Warning, "LimitMEMLOCK"}},

		{"configuration broken since", "", func(t *testing.T, h *host) { writeFile(t, h.config.Path, "[cluster") }, want{CheckConfigFile, Failure, "agentctl check"}},
		{"configuration changed since", "", func(t *testing.T, h *host) { writeFile(t, h.config.Path, fmt.Sprintf(sharedText, "lease = \"1s\"")) }, want{CheckConfigFile, Warning, "agentctl reload"}},
		{"runtime directory on a disk", "", func(_ *testing.T, h *host) {
			h.statfs = func(string) (unix.Statfs_t, error) {
				return unix.Statfs_t{Type: unix.EXT4_SUPER_MAGIC, Bsize: 4096, Bavail: 1 << 20}, nil
			}
		}, want{CheckRuntimeDir, Warning, "0xef53"}},
		{"runtime directory full", "", func(_ *testing.T, h *host) {
			h.statfs = func(string) (unix.Statfs_t, error) {
				return unix.Statfs_t{Type: unix.TMPFS_MAGIC, Bsize: 4096, Bavail: 3}, nil
			}
		}, want{CheckRuntimeDir, Failure, "df -h /run/memvip"}},
		{"runtime directory yet to be made", "", func(_ *testing.T, h *host) {
			h.statfs = func(dir string) (unix.Statfs_t, error) {
				if dir != "/run" {
					return unix.Statfs_t{}, &fs.PathError{Op: "statfs", Path: dir, Err: unix.ENOENT}
				}
				return unix.Statfs_t{Type: unix.TMPFS_MAGIC, Bsize: 4096, Bavail: 1 << 20}, nil
			}
		}, want{CheckRuntimeDir, OK, "/run/memvip is in memory"}},

		{"no nftables", "", func(_ *testing.T, h *host) { h.tables = func() error { return unix.EPROTONOSUPPORT } }, want{CheckFence, Warning, "modprobe"}},
		{"no nftables though asked for", fmt.Sprintf(sharedText, `fence = "nftables"`), func(_ *testing.T, h *host) { h.tables = func() error { return unix.EPROTONOSUPPORT } }, want{CheckFence, Failure, "modprobe"}},
		{"fence off", fmt.Sprintf(sharedText, `fence = "off"`), func(*testing.T, *host) {}, want{CheckFence, Warning, `"off"`}},
		{"lifetime as configured", fmt.Sprintf(sharedText, `fence = "lifetime"`), func(_ *testing.T, h *host) { h.tables = func() error { return unix.EPROTONOSUPPORT } }, want{CheckFence, OK, "5 s"}},
		{"the agent's fence", "", func(_ *testing.T, h *host) { h.Agent = &Agent{Fence: "lifetime"} }, want{CheckFence, Warning, "the agent here"}},
		{"no process events", "", func(_ *testing.T, h *host) { h.connector = func() error { return health.ErrNotAllowed } }, want{CheckConnector, Warning, "CAP_NET_ADMIN"}},
		{"the agent's detector", "", func(_ *testing.T, h *host) { h.Agent = &Agent{Detector: "connection end"} }, want{CheckConnector, Warning, "the agent here"}},

		{"port taken", "", func(_ *testing.T, h *host) {
			h.listen = func(context.Context, netip.AddrPort) error {
				return &os.SyscallError{Syscall: "bind", Err: unix.EADDRINUSE}
			}
		}, want{CheckGossipPort, Warning, "ss -tulpn 'sport = :7946'"}},
		{"own address missing", "", func(_ *testing.T, h *host) {
			h.links = []link{linkOf("eth0", "10.0.0.77/24")}
			h.listen = func(context.Context, netip.AddrPort) error { return unix.EADDRNOTAVAIL }
		}, want{CheckOwnAddress, Failure, "10.0.0.11|--node"}},
		{"keepalived", "", func(_ *testing.T, h *host) {
			h.proc.(fstest.MapFS)["77/comm"] = &fstest.MapFile{Data: []byte("keepalived\n")}
		}, want{CheckOtherManager, Warning, "keepalived|77"}},
		{"a VIP by other hands", "", func(_ *testing.T, h *host) {
			h.strangers = func([]netip.Addr) ([]vip.Address, error) {
				return []vip.Address{{Prefix: netip.MustParsePrefix("10.0.0.101/24"), Link: "eth0"}}, nil
			}
		}, want{CheckStranger, Failure, "ip address del 10.0.0.101/24 dev eth0"}},
		{"VIPs unread", "", func(_ *testing.T, h *host) {
			h.strangers = func([]netip.Addr) ([]vip.Address, error) { return nil, unix.ENOBUFS }
		}, want{CheckStranger, Unknown, "ip -br address"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if text == "" {
				text = shared
			}
			h := goodHost(loaded(t, text))
			c.change(t, h)
			findings := h.look(t.Context())
			wantOnly(t, findings, c.want)
			if Worst(findings) != c.want.severity {
				t.Errorf("worst is %s, want %s", Worst(findings), c.want.severity)
			}
			for _, f := range findings {
				if f.Node != h.self.Name {
					t.Errorf("seen by %q: %+v", f.Node, f)
				}
			}
		})
	}
}

// Without the right to look, what the kernel refuses is not known rather than broken.
func TestHostUnprivileged(t *testing.T) {
	h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")))
	h.uid, h.lacks = os.Getuid()+1000, []string{"CAP_NET_ADMIN", "CAP_NET_RAW"}
	h.tables = func() error { return unix.EPERM }
	h.connector = func() error { return health.ErrNotAllowed }
	var unknown []Check
	for _, f := range h.look(t.Context()) {
		complete(t, f)
		if f.Severity == Unknown {
			unknown = append(unknown, f.Check)
		}
	}
	if want := []Check{CheckCapabilities, CheckFence, CheckConnector}; fmt.Sprint(unknown) != fmt.Sprint(want) {
		t.Errorf("unknown are %v, want %v", unknown, want)
	}
}

// A key that is open to others, is none, or is another than the agent's.
func TestKeyFile(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, h *host, path string) error
		want   want
	}{
		{"open", func(_ *testing.T, _ *host, path string) error { return os.Chmod(path, 0o644) }, want{CheckKeyFile, Failure, "0644|chmod 0600"}},
		{"short", func(t *testing.T, _ *host, path string) error { writeFile(t, path, "AAAA"); return nil }, want{CheckKeyFile, Failure, "3 bytes"}},
		{"missing", func(_ *testing.T, _ *host, path string) error { return os.Remove(path) }, want{CheckKeyFile, Failure, "no such file"}},
		{"another", func(_ *testing.T, h *host, _ string) error {
			h.Agent = &Agent{Keys: []string{"12345678"}}
			return nil
		}, want{CheckKeyFile, Warning, "other keys|agent uses (12345678)|agentctl keys reload"}},
		{"in another order", func(t *testing.T, h *host, path string) error {
			old, next := h.config.Cluster.Keys[0], configs.NewKey()
			h.Agent = &Agent{Keys: []string{old.Fingerprint(), next.Fingerprint()}}
			writeFile(t, path, next.Text()+"\n"+old.Text()+"\n")
			return nil
		}, want{CheckKeyFile, Warning, "other keys|agentctl keys reload"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")))
			if err := c.change(t, h, h.config.Cluster.KeyFile); err != nil {
				t.Fatal(err)
			}
			wantOnly(t, []Finding{h.keyFile()}, c.want)
		})
	}
}

// A key belongs to root, to whom the agent runs as, or to whose folder it is in; and who the agent will run as can read it.
func TestKeyOwner(t *testing.T) {
	const path, agent, self, other = "/etc/memvip/keys/gossip.key", 998, 4711, 4712
	for _, c := range []struct {
		name        string
		key, folder unix.Stat_t
		running     bool
		want        want
	}{
		{"root's", unix.Stat_t{Mode: 0o600}, unix.Stat_t{}, false, want{CheckKeyFile, OK, "mode 0600"}},
		{"the agent's", unix.Stat_t{Uid: self, Mode: 0o600}, unix.Stat_t{}, true, want{CheckKeyFile, OK, "holds a key"}},
		{"as the package makes it, seen by root before the first start", unix.Stat_t{Uid: agent, Mode: 0o600}, unix.Stat_t{Uid: agent}, false, want{CheckKeyFile, OK, "holds a key"}},
		{"another's", unix.Stat_t{Uid: other, Mode: 0o600}, unix.Stat_t{Uid: agent}, false, want{CheckKeyFile, Warning, "user 4712|chown --reference=/etc/memvip/keys " + path}},
		{"another's in a folder of his own, and the agent runs", unix.Stat_t{Uid: other, Mode: 0o600}, unix.Stat_t{Uid: other}, true, want{CheckKeyFile, Warning, "user 4712"}},
		{"copied by root, not given away", unix.Stat_t{Mode: 0o600}, unix.Stat_t{Uid: agent}, false, want{CheckKeyFile, Warning, "user 0|chown --reference=/etc/memvip/keys " + path}},
		{"root's, for the group", unix.Stat_t{Gid: agent, Mode: 0o640}, unix.Stat_t{Uid: agent, Gid: agent}, false, want{CheckKeyFile, OK, "mode 0640"}},
		{"root's, and the agent has read it", unix.Stat_t{Mode: 0o600}, unix.Stat_t{Uid: agent}, true, want{CheckKeyFile, OK, "holds a key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{uid: self}
			if c.running {
				h.Agent = &Agent{}
			}
			wantOnly(t, []Finding{h.judgeOwner(path, c.key, c.folder)}, c.want)
		})
	}
}
