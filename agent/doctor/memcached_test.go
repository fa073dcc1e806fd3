package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"memvip/flush"
	"memvip/flush/fake"
)

// Each row is one option of memcached, or one place to listen on, that matters.
func TestMemcached(t *testing.T) {
	shared := fmt.Sprintf(sharedText, "")
	setting := func(name, value string) func(*flush.Account) {
		return func(a *flush.Account) { a.Settings[name] = value }
	}
	for _, c := range []struct {
		name   string
		text   string
		change func(*flush.Account)
		want   want
	}{
		{"-F", shared, func(a *flush.Account) { a.FlushEnabled = false }, want{CheckFlush, Failure, "127.0.0.1:11211|without -F"}},
		{"-e", shared, func(a *flush.Account) { a.MemoryFile = true }, want{CheckMemoryFile, Warning, "without -e"}},
		{"-S", shared, setting("auth_enabled_sasl", "yes"), want{CheckAuth, Failure, "login"}},
		{"-U", shared, setting("udpport", "11211"), want{CheckUDP, Warning, "-U 0"}},
		{"-A", shared, setting("shutdown_command", "yes"), want{CheckShutdown, Warning, "-A"}},
		{"idle_timeout", shared + "\n[health]\ninterval = \"5s\"\nfresh_interval = \"10s\"\n", setting("idle_timeout", "3"), want{CheckIdleTimeout, Warning, "idle_timeout"}},
		{"a long idle_timeout is fine", shared, setting("idle_timeout", "3"), want{CheckIdleTimeout, OK, ""}},
		{"no_modern", shared, func(a *flush.Account) { a.Settings["lru_crawler"], a.Settings["lru_maintainer_thread"] = "no", "no" }, want{CheckEmptying, Failure, "no_modern"}},
		{"the crawler suffices", shared, setting("lru_maintainer_thread", "no"), want{CheckEmptying, OK, ""}},
		{"crashing options", shared, func(a *flush.Account) { a.Version, a.Settings["slab_reassign"] = "1.6.45", "no" }, want{CheckCrash, Warning, "no_slab_reassign"}},
		{"not crashing yet", shared, setting("slab_reassign", "no"), want{CheckCrash, OK, ""}},
		{"-C", shared, setting("cas_enabled", "no"), want{CheckCAS, Warning, "-C"}},
		{"-C with a later version", shared, func(a *flush.Account) { a.Version, a.Settings["cas_enabled"] = "1.6.25", "no" }, want{CheckCAS, OK, ""}},
		{"old", shared, func(a *flush.Account) { a.Version = "1.5.22" }, want{CheckVersion, Warning, "1.5.22|1.6.18"}},
		{"newer", shared, func(a *flush.Account) { a.Version = "2.0.0" }, want{CheckVersion, OK, "2.0.0"}},
		{"dressed up", shared, func(a *flush.Account) { a.Version = "1.6.38_beta1" }, want{CheckVersion, OK, "1.6.38"}},
		{"another program", shared, func(a *flush.Account) { a.Version = "pelikan" }, want{CheckVersion, Warning, "pelikan"}},
		{"half full, and shared", shared, func(a *flush.Account) { a.CurrConns = 600 }, want{CheckConnections, Warning, "600 of 1024|-c 2400"}},
		{"half full, alone", apartText, func(a *flush.Account) { a.CurrConns = 600 }, want{CheckConnections, OK, ""}},
		{"full, alone", apartText, func(a *flush.Account) { a.CurrConns = 900 }, want{CheckConnections, Warning, "900 of 1024"}},
		{"in a container", shared, func(a *flush.Account) { a.Elsewhere = true }, want{CheckNamespace, Failure, "--network host"}},

		{"loopback only", apartText, func(a *flush.Account) { a.Listeners = addrPorts("127.0.0.1:11301") }, want{CheckListens, Failure, "10.0.0.101|-l 127.0.0.1:11301,10.0.0.101:11211"}},
		{"IPv6 on an address", apartText, func(a *flush.Account) { a.Listeners = addrPorts("127.0.0.1:11301", "10.0.0.101:11211") }, want{CheckListens, Failure, "-l 127.0.0.1:11302,[2001:db8::102]:11211|net.ipv6.ip_nonlocal_bind"}},
		{"all addresses", shared, func(a *flush.Account) { a.Listeners = addrPorts("0.0.0.0:11211", "[::]:11211") }, want{CheckDirect, Warning, "all addresses|-l 127.0.0.1,10.0.0.101,10.0.0.102|ip_nonlocal_bind=1"}},
		{"the host's own address", shared, func(a *flush.Account) { a.Listeners = append(a.Listeners, addrPorts("10.0.0.11:11211")...) }, want{CheckDirect, Warning, "10.0.0.11:11211"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := goodHost(loaded(t, c.text))
			h.answering(c.change)
			wantOnly(t, h.look(t.Context()), c.want)
		})
	}
}

// A socket on all IPv6 addresses serves no IPv4 VIP: so it is when another process has the port on IPv4.
func TestListensOnTheOtherFamily(t *testing.T) {
	h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")))
	got := map[Check]Severity{}
	for _, f := range h.listening(h.distinctInstances()[0], addrPorts("[::]:11211")) {
		got[f.Check] = f.Severity
	}
	if got[CheckListens] != Failure {
		t.Errorf("got %v", got)
	}
}

// A memcached that listens on a VIP by itself needs ip_nonlocal_bind, one on all addresses does not.
func TestNonlocalBind(t *testing.T) {
	h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")))
	h.setSysctl(0, "ipv4", "ip_nonlocal_bind")
	wantOnly(t, h.look(t.Context()), want{CheckNonlocalBind, Failure, "10.0.0.101 and 10.0.0.102|net.ipv4.ip_nonlocal_bind=1"})

	h.examine = func(context.Context, netip.AddrPort) (flush.Account, error) {
		return flush.Account{}, &flush.Refusal{Reason: flush.ReasonUnreachable, Detail: "connect: connection refused", Err: unix.ECONNREFUSED}
	}
	wantOnly(t, h.look(t.Context()), want{CheckMemcached, Failure, "connection refused|Cannot assign requested address|ip_nonlocal_bind=1"})
}

// A restart command that is not there is found before it is needed; another instance is looked at all the same.
func TestRestartCommand(t *testing.T) {
	h := goodHost(loaded(t, apartText))
	h.runnable = func([]string) error { return errors.New("no such program") }
	wantOnly(t, h.look(t.Context()), want{CheckRestartCommand, Failure, "127.0.0.1:11301|no such program"})
}

// A hook whose program is not on this host is no reason to worry about addresses. A witness has nothing to run it for.
func TestHooks(t *testing.T) {
	h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")+"\n[hooks]\nclaim = [\"/there\"]\nconflict = [\"/missing\", \"x\"]\n"))
	h.runnable = func(argv []string) error {
		if argv[0] == "/missing" {
			return errors.New("no such program")
		}
		return nil
	}
	findings := h.look(t.Context())
	wantOnly(t, findings, want{CheckHooks, Warning, "conflict|no such program|/missing"})
	if n := len(slices.DeleteFunc(findings, func(f Finding) bool { return f.Check != CheckHooks })); n != 2 {
		t.Errorf("%d hooks looked at", n)
	}
	h.self.Witness = true
	if found := h.hooks(); len(found) > 0 {
		t.Errorf("on a witness: %v", found)
	}
}

// What a real conversation meets, each in its own words.
func TestMemcachedOverTheWire(t *testing.T) {
	loopbackUp(t)
	for _, c := range []struct {
		name  string
		with  fake.Options
		after func(*fake.Server)
		want  want
	}{
		{"fine but for its address", fake.Options{}, nil, want{CheckListens, Failure, "only on 127.0.0.1"}},
		{"login", fake.Options{Login: true}, nil, want{CheckMemcached, Failure, "-Y"}},
		{"full", fake.Options{}, func(s *fake.Server) { s.SetFull(true) }, want{CheckMemcached, Failure, "maxconns"}},
		{"hung", fake.Options{}, (*fake.Server).Hang, want{CheckMemcached, Failure, "in time|-S"}},
		{"garbage", fake.Options{}, func(s *fake.Server) { s.SetReply("SSH-2.0\r\n") }, want{CheckMemcached, Failure, "SSH-2.0"}},
		{"gone", fake.Options{}, (*fake.Server).Close, want{CheckMemcached, Failure, "refused|systemctl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := fake.New(c.with)
			defer server.Close()
			at, err := server.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				c.after(server)
			}
			h := goodHost(loaded(t, fmt.Sprintf(sharedText, "")))
			h.examine = func(ctx context.Context, _ netip.AddrPort) (flush.Account, error) { return flush.Examine(ctx, at) }
			wantOnly(t, h.look(t.Context()), c.want)
		})
	}
}
