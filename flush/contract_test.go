package flush

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"memvip/flush/fake"
)

// settings are what the contract needs of a server's command line.
type settings struct {
	noFlush      bool
	login        bool
	memoryFile   bool
	noMaintainer bool
	noCrawler    bool // implies noMaintainer
	wildcard     bool // reachable on all of 127.0.0.0/8
	vipListener  bool // on 127.0.0.1 and, with a listener of its own, on destroyedVIP
	oneThread    bool // instead of four
}

// instance is a memcached that a contract test runs against.
type instance interface {
	addr() netip.AddrPort
	restart(t *testing.T)
	end(t *testing.T)
	hang(t *testing.T)
	thaw(t *testing.T)
	// fillConnections takes up all that the server allows.
	fillConnections(t *testing.T)
}

// TestContract runs one suite over the fake and over the installed memcached, so that what the other tests learn from
// the fake holds.
func TestContract(t *testing.T) {
	for _, kind := range []struct {
		name  string
		start func(*testing.T, settings) instance
	}{
		{"fake", startFake},
		{"memcached", startMemcached},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for _, test := range contract {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(t, kind.start(t, test.with))
				})
			}
		})
	}
}

var contract = []struct {
	name string
	with settings
	run  func(*testing.T, instance)
}{
	{"a_fresh_instance_is_empty", settings{}, contractFresh},
	{"a_flush_is_proved_and_verified", settings{}, contractProved},
	{"items_read_just_before_are_flushed_too", settings{}, contractReadBefore},
	{"without_maintainer_the_crawler_helps", settings{noMaintainer: true}, contractProved},
	{"without_crawler_items_are_left", settings{noCrawler: true}, contractNotEmpty},
	{"a_set_voids_the_certificate", settings{}, contractSetAfter},
	{"another_flush_voids_the_certificate", settings{}, contractFlushedAgain},
	{"a_delayed_flush_voids_the_certificate", settings{}, contractDelayedFlush},
	{"a_delayed_flush_before_is_replaced", settings{}, contractDelayedBefore},
	{"a_delayed_flush_takes_an_earlier_one_back", settings{noMaintainer: true}, contractDelayRevives},
	{"a_restart_is_a_new_process", settings{}, contractRestart},
	{"a_restart_that_may_keep_memory_is_no_proof", settings{memoryFile: true}, contractMemoryFile},
	{"each_use_is_noticed", settings{}, contractUnquiet},
	{"probes_are_no_use", settings{}, contractQuiet},
	{"flush_switched_off", settings{noFlush: true}, contractFlushRefused},
	{"login_wanted", settings{login: true}, contractLogin},
	{"full", settings{}, contractFull},
	{"hung", settings{}, contractHung},
	{"gone", settings{}, contractGone},
	{"connections_on_an_address", settings{wildcard: true}, contractConnections},
	{"an_account_of_one_address", settings{noFlush: true, noCrawler: true}, contractAccountLocal},
	{"an_account_of_all_addresses", settings{wildcard: true}, contractAccountWild},
	{"no_account_without_login", settings{login: true}, contractAccountLogin},
}

func contractFresh(t *testing.T, i instance) {
	f := inspect(t, i)
	if !f.EmptyAtStart() || f.MemoryFile || !f.FlushEnabled || f.PID == 0 || f.Threads != 4 || f.Version == "" || f.DelayedFlushPending() {
		t.Errorf("got %+v", f)
	}
	if f.Counters != (Counters{}) {
		t.Errorf("got counters %v", f.Counters)
	}
	if age := time.Now().Unix() - f.Start; age < 0 || age > 600 {
		t.Errorf("started %d s ago", age)
	}
}

func contractAccountLocal(t *testing.T, i instance) {
	a, err := patient(i).examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.FlushEnabled || a.Settings["flush_enabled"] != "no" || a.Settings["lru_crawler"] != "no" || a.Stats["pid"] == "" {
		t.Errorf("got settings %v, figures %v", a.Settings, a.Stats)
	}
	if want := []netip.AddrPort{i.addr()}; !slices.Equal(slices.Compact(a.Listeners), want) || a.Elsewhere {
		t.Errorf("listens on %v, elsewhere %t, want %v", a.Listeners, a.Elsewhere, want)
	}
}

func contractAccountWild(t *testing.T, i instance) {
	a, err := patient(i).examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := netip.AddrPortFrom(netip.IPv4Unspecified(), i.addr().Port()); !slices.Contains(a.Listeners, want) || a.Elsewhere {
		t.Errorf("listens on %v, elsewhere %t, want %v", a.Listeners, a.Elsewhere, want)
	}
}

func contractAccountLogin(t *testing.T, i instance) {
	_, err := patient(i).examine(t.Context())
	wantReason(t, err, ReasonLogin)
}

func contractProved(t *testing.T, i instance) {
	user := connect(t, i.addr())
	for n := range 200 {
		user.do(fmt.Sprintf("set key%d 0 0 1\r\nx", n))
	}
	cert := prove(t, i)
	if cert.TotalItems != 200 {
		t.Errorf("got %+v", cert)
	}
	if err := patient(i).verify(t.Context(), cert, false); err != nil {
		t.Error(err)
	}
	if got := user.do("get key1 key199"); got != "END" {
		t.Errorf("got %q after the flush", got)
	}
	if f := inspect(t, i); f.EmptyAtStart() {
		t.Errorf("a flush was taken for a restart: %+v", f)
	}
}

func contractReadBefore(t *testing.T, i instance) {
	user := connect(t, i.addr())
	for n := range 50 {
		user.do(fmt.Sprintf("set key%d 0 0 1\r\nx", n))
		user.do(fmt.Sprintf("get key%d", n))
		user.do(fmt.Sprintf("get key%d", n))
	}
	if cert := prove(t, i); cert.TotalItems != 50 {
		t.Errorf("got %+v", cert)
	}
}

func contractNotEmpty(t *testing.T, i instance) {
	connect(t, i.addr()).do("set a 0 0 1\r\nx")
	c := patient(i)
	c.limits.emptying = defaultLimits.emptying
	_, err := c.prove(t.Context(), testVIPs, inspect(t, i))
	wantReason(t, err, ReasonNotEmpty)
}

func contractSetAfter(t *testing.T, i instance) {
	cert := prove(t, i)
	connect(t, i.addr()).do("set a 0 0 1\r\nx")
	wantReason(t, patient(i).verify(t.Context(), cert, false), ReasonItemsChanged)
	if err := patient(i).verify(t.Context(), cert, true); err != nil {
		t.Errorf("while serving: %v", err)
	}
}

// A second flush within the same tick leaves no trace, and no harm: the boundary is the same.
func contractFlushedAgain(t *testing.T, i instance) {
	cert := prove(t, i)
	user := connect(t, i.addr())
	eventually(t, "the boundary moves", func() bool {
		user.do("flush_all")
		return inspect(t, i).Oldest != cert.Oldest
	})
	wantReason(t, patient(i).verify(t.Context(), cert, false), ReasonFlushedAgain)
	if err := patient(i).verify(t.Context(), cert, true); err != nil {
		t.Errorf("while serving: %v", err)
	}
}

func contractDelayedFlush(t *testing.T, i instance) {
	cert := prove(t, i)
	if got := connect(t, i.addr()).do("flush_all 1000"); got != "OK" {
		t.Fatalf("got %q", got)
	}
	if !inspect(t, i).DelayedFlushPending() {
		t.Error("it is not pending")
	}
	wantReason(t, patient(i).verify(t.Context(), cert, true), ReasonDelayedFlush)
}

func contractDelayedBefore(t *testing.T, i instance) {
	user := connect(t, i.addr())
	user.do("set a 0 0 1\r\nx")
	user.do("flush_all 1000")
	prove(t, i)
	if inspect(t, i).DelayedFlushPending() {
		t.Error("it is still pending")
	}
}

// This is why OK is no proof: what was flushed but not yet freed can be read again.
func contractDelayRevives(t *testing.T, i instance) {
	user := connect(t, i.addr())
	user.do("set a 0 0 1\r\nx")
	user.do("flush_all")
	user.do("flush_all 1000")
	if got := user.do("get a"); got != "VALUE a 0 1" {
		t.Errorf("got %q", got)
	}
}

func contractRestart(t *testing.T, i instance) {
	connect(t, i.addr()).do("set a 0 0 1\r\nx")
	quiet := inspect(t, i)
	cert := prove(t, i)
	i.restart(t)
	wantReason(t, patient(i).verify(t.Context(), cert, true), ReasonRestarted)
	_, err := patient(i).prove(t.Context(), testVIPs, quiet)
	wantReason(t, err, ReasonRestarted)

	fresh := inspect(t, i)
	if fresh.sameProcess(quiet.PID, quiet.Start) || !fresh.EmptyAtStart() || fresh.DelayedFlushPending() {
		t.Errorf("got %+v after %+v", fresh, quiet)
	}
	if err := patient(i).verify(t.Context(), certificateOf(fresh), false); err != nil {
		t.Error(err)
	}
}

func contractMemoryFile(t *testing.T, i instance) {
	former := inspect(t, i)
	if !former.MemoryFile {
		t.Fatalf("got %+v", former)
	}
	i.restart(t)
	if first := inspect(t, i); first.PID == former.PID || first.EmptyAtStart() {
		t.Errorf("got %+v after %+v", first, former)
	}
	prove(t, i) // A flush, however, is one.
}

func contractUnquiet(t *testing.T, i instance) {
	user := connect(t, i.addr())
	for _, use := range []string{"get a", "set a 0 0 1\r\nx", "get a", "touch a 0", "delete a", "delete a"} {
		quiet := inspect(t, i)
		user.do(use)
		_, err := patient(i).prove(t.Context(), testVIPs, quiet)
		wantReason(t, err, ReasonUnquiet)
	}
}

func contractQuiet(t *testing.T, i instance) {
	ctx, cancel := context.WithCancel(t.Context())
	probing := make(chan struct{})
	prober := connect(t, i.addr())
	go func() {
		defer close(probing)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				prober.do("mn")
				prober.do("version")
			case <-ctx.Done():
				return
			}
		}
	}()
	start := time.Now()
	_, err := patient(i).watchQuiet(ctx, QuietOptions{Unquiet: func(detail string) { t.Errorf("unquiet: %s", detail) }})
	if err != nil {
		t.Error(err)
	}
	if waited := time.Since(start); waited < quietFor {
		t.Errorf("quiet after only %v", waited)
	}
	cancel()
	<-probing
}

func contractFlushRefused(t *testing.T, i instance) {
	connect(t, i.addr()).do("set a 0 0 1\r\nx")
	_, err := patient(i).prove(t.Context(), testVIPs, inspect(t, i))
	wantReason(t, err, ReasonFlushRefused)
	if got, want := connect(t, i.addr()).do("flush_all"), "CLIENT_ERROR flush_all not allowed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func contractLogin(t *testing.T, i instance) {
	_, err := patient(i).inspect(t.Context())
	wantReason(t, err, ReasonLogin)
	_, err = patient(i).watchQuiet(t.Context(), QuietOptions{})
	wantReason(t, err, ReasonLogin)
	wantReason(t, patient(i).drained(t.Context(), testVIPs, 0), ReasonLogin)
}

func contractFull(t *testing.T, i instance) {
	i.fillConnections(t)
	_, err := patient(i).inspect(t.Context())
	wantReason(t, err, ReasonFull)
}

func contractHung(t *testing.T, i instance) {
	i.hang(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Inspect(ctx, i.addr())
	wantReason(t, err, ReasonTimeout)
	wantReason(t, Drained(t.Context(), i.addr(), testVIPs, 0), ReasonTimeout)
	i.thaw(t)
	inspect(t, i)
}

func contractGone(t *testing.T, i instance) {
	cert := prove(t, i)
	i.end(t)
	_, err := patient(i).inspect(t.Context())
	wantReason(t, err, ReasonUnreachable)
	wantReason(t, patient(i).verify(t.Context(), cert, true), ReasonUnreachable)
	wantReason(t, patient(i).drained(t.Context(), testVIPs, time.Minute), ReasonUnreachable)
}

func contractConnections(t *testing.T, i instance) {
	vip := netip.MustParseAddr("127.0.0.5")
	other := netip.MustParseAddr("127.0.0.6")
	user := connect(t, netip.AddrPortFrom(vip, i.addr().Port()))
	user.do("mn")
	if err := patient(i).drained(t.Context(), []netip.Addr{other}, time.Minute); err != nil {
		t.Errorf("of another address: %v", err)
	}
	err := patient(i).drained(t.Context(), []netip.Addr{other, vip}, time.Second)
	wantReason(t, err, ReasonConnectionsLeft)
	if want := fmt.Sprintf("127.0.0.5:%d", i.addr().Port()); !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want it to name %s", err, want)
	}
	impatient := patient(i)
	impatient.limits.settling = time.Second
	_, err = impatient.prove(t.Context(), []netip.Addr{vip}, inspect(t, i))
	wantReason(t, err, ReasonConnectionsLeft)

	user.close()
	if err := patient(i).drained(t.Context(), []netip.Addr{other, vip}, time.Minute); err != nil {
		t.Error(err)
	}
}

// patient waits for longer than a test machine with other work to do may need.
func patient(i instance) client {
	c := clientOf(i.addr())
	c.limits = limits{command: 30 * time.Second, emptying: 30 * time.Second, settling: 30 * time.Second}
	return c
}

func inspect(t *testing.T, i instance) Figures {
	t.Helper()
	figures, err := patient(i).inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return figures
}

// prove does without the quiet, which no rule of the installed version's flush needs.
func prove(t *testing.T, i instance) Certificate {
	t.Helper()
	cert, err := patient(i).prove(t.Context(), testVIPs, inspect(t, i))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const patience = 30 * time.Second
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(patience)
	for !holds() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// userConn is a client of the cache.
type userConn struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

func connect(t *testing.T, addr netip.AddrPort) *userConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	user := &userConn{t: t, nc: nc, r: bufio.NewReader(nc)}
	t.Cleanup(user.close)
	return user
}

func (u *userConn) close() { _ = u.nc.Close() }

// do returns the reply's first line, and reads all of it.
func (u *userConn) do(command string) string {
	if _, err := io.WriteString(u.nc, command+"\r\n"); err != nil {
		u.t.Errorf("%s: %v", command, err)
		return ""
	}
	line, err := u.r.ReadString('\n')
	if err != nil {
		u.t.Errorf("%s: %v", command, err)
		return ""
	}
	first := strings.TrimSpace(line)
	for strings.HasPrefix(command, "get ") && !strings.HasPrefix(line, "END") && err == nil {
		line, err = u.r.ReadString('\n')
	}
	return first
}

// fakeInstance is the fake as a contract instance.
type fakeInstance struct {
	server *fake.Server
	at     netip.AddrPort
}

func startFake(t *testing.T, with settings) instance {
	t.Helper()
	opts := fake.Options{
		NoFlush: with.noFlush, Login: with.login,
		NoMaintainer: with.noMaintainer || with.noCrawler, NoCrawler: with.noCrawler,
	}
	if with.oneThread {
		opts.Threads = 1
	}
	if with.memoryFile {
		opts.MemoryFile = filepath.Join(t.TempDir(), "memory")
	}
	server := fake.New(opts)
	t.Cleanup(server.Close)
	listenOn := "127.0.0.1:0"
	if with.wildcard {
		listenOn = "0.0.0.0:0"
	}
	at, err := server.Listen(listenOn)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeInstance{server: server, at: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())}
}

func (i *fakeInstance) addr() netip.AddrPort         { return i.at }
func (i *fakeInstance) restart(*testing.T)           { i.server.Restart() }
func (i *fakeInstance) end(*testing.T)               { i.server.Close() }
func (i *fakeInstance) hang(*testing.T)              { i.server.Hang() }
func (i *fakeInstance) thaw(*testing.T)              { i.server.Thaw() }
func (i *fakeInstance) fillConnections(_ *testing.T) { i.server.SetFull(true) }
