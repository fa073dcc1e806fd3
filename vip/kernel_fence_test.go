package vip

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// until returns a lease that ends at an instant, and that can be given another.
func until(end time.Time) (lease Lease, move func(time.Time)) {
	var at atomic.Pointer[time.Time]
	at.Store(&end)
	return func() time.Duration { return time.Until(*at.Load()) }, func(t time.Time) { at.Store(&t) }
}

// nft runs the host's nft: as somebody else who changes its rules would.
func (w *realWorld) nft(t testing.TB, words string) string {
	t.Helper()
	var out []byte
	w.host.in(t, func() (err error) {
		out, err = exec.Command("nft", strings.Fields(words)...).CombinedOutput()
		return err
	})
	return string(out)
}

// answersARP reports whether the host answers the peer's question for an address within a while.
func (w *realWorld) answersARP(t testing.TB, ip netip.Addr) bool {
	t.Helper()
	answered := false
	w.peer.in(t, func() error {
		link, err := net.InterfaceByName(peerLink)
		if err != nil {
			return err
		}
		client, err := arp.Dial(link)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.SetDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err
		}
		_, err = client.Resolve(ip)
		answered = err == nil
		return nil
	})
	return answered
}

// knock connects from the peer to a port of an address; the neighbour entry is set by hand, as if the peer had
// an old one.
func (w *realWorld) knock(t testing.TB, ip netip.Addr, port int) error {
	t.Helper()
	var mac net.HardwareAddr
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	var failure error
	w.peer.in(t, func() error {
		link, err := netlink.LinkByName(peerLink)
		if err != nil {
			return err
		}
		err = netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: unix.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac})
		if err != nil {
			return err
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port)), 3*time.Second) // a SYN that meets a link not ready yet is sent again after 1 s
		if failure = err; err == nil {
			return conn.Close()
		}
		return nil
	})
	return failure
}

// dropAtEnd destroys the connections that the fence has cut off, for which their server would wait for ever.
func dropAtEnd(t testing.TB, m *Manager, a Address) {
	t.Cleanup(func() {
		if _, err := m.Drop(a); err != nil {
			t.Errorf("drop: %v", err)
		}
	})
}

// TestFenceClosesByItself takes an address for a short lease and then does nothing more, as a frozen agent:
// the address is still up, and nobody gets an answer from it.
func TestFenceClosesByItself(t *testing.T) {
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			ip := a.Prefix.Addr()
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			lease, end := until(time.Now().Add(time.Hour))
			m := w.open(t)
			dropAtEnd(t, m, a)
			if err := m.Take(a, lease); err != nil {
				t.Fatal(err)
			}
			conn := w.dial(t, ip, wildPort)
			end(time.Now().Add(time.Second))
			if _, err := m.Prolong(a); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the fence to close", func() bool { return errors.Is(w.knock(t, ip, wildPort), unix.ECONNREFUSED) })
			if left := lease(); left > 50*time.Millisecond {
				t.Errorf("closed %s before the lease's end", left)
			}
			find(t, w.there(t), a.Prefix)
			if ip.Is4() && w.answersARP(t, ip) {
				t.Error("the host still answers ARP")
			}
			if err := echo(conn); err == nil {
				t.Error("a connection from before is still served")
			}
		})
	}
}

// TestFenceFollowsTheLease renews a lease several times over its first length.
func TestFenceFollowsTheLease(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	const length = 400 * time.Millisecond
	begun := time.Now()
	lease, move := until(begun.Add(length))
	m := w.open(t)
	dropAtEnd(t, m, service)
	if err := m.Take(service, lease); err != nil {
		t.Fatal(err)
	}
	conn := w.dial(t, service.Prefix.Addr(), wildPort)
	for time.Since(begun) < 5*length {
		move(time.Now().Add(length))
		if _, err := m.Prolong(service); err != nil {
			t.Fatal(err)
		}
		if err := echo(conn); err != nil {
			t.Fatalf("%s after the address was taken: %v", time.Since(begun), err)
		}
	}
}

// TestFenceAfterAThaw lets the process stand still between reading the clock and writing: the fence that it
// opens for a lease that is over is closed at once (F12).
func TestFenceAfterAThaw(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	m := w.open(t)
	for _, asked := range []Lease{asked(2), asked(3)} { // over after the write of the fence; after that of the address
		if err := m.Take(service, asked); !errors.Is(err, ErrTooLate) {
			t.Fatalf("take: %v, want too late", err)
		}
		absent(t, w, service.Prefix)
		if err := w.knock(t, service.Prefix.Addr(), wildPort); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("connect: %v, want refused", err)
		}
	}
}

// TestFenceIsPutBack lets others change the host's rules; the next renewal notices.
func TestFenceIsPutBack(t *testing.T) {
	for _, c := range []struct {
		name, words string
		restored    uint64
	}{
		{"ruleset flushed", "flush ruleset", 1},
		{"table deleted", "delete table inet memvip", 1},
		{"arp table deleted", "delete table arp memvip", 1},
		{"chain flushed", "flush chain inet memvip arriving", 1},
		{"managed addresses flushed", "flush set inet memvip managed4", 1},
		{"rule added", "insert rule inet memvip leaving accept", 1},
		{"open addresses flushed", "flush set inet memvip in4", 0},
		{"a table of their own", "add table inet theirs", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			dropAtEnd(t, m, service)
			lease, move := until(time.Now().Add(time.Hour))
			if err := m.Take(service, lease); err != nil {
				t.Fatal(err)
			}
			w.nft(t, c.words)
			if _, err := m.Prolong(service); err != nil {
				t.Fatal(err)
			}
			if got := m.Counts().FenceRestored; got != c.restored {
				t.Errorf("put back %d times, want %d", got, c.restored)
			}
			if err := w.knock(t, service.Prefix.Addr(), wildPort); err != nil {
				t.Errorf("after it: %v", err)
			}
			move(time.Now().Add(300 * time.Millisecond))
			if _, err := m.Prolong(service); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the fence to close", func() bool {
				return errors.Is(w.knock(t, service.Prefix.Addr(), wildPort), unix.ECONNREFUSED)
			})
			if w.answersARP(t, service.Prefix.Addr()) {
				t.Error("the host still answers ARP")
			}
		})
	}
}

// TestFenceChangedBeforeTheTake: opening the fence does not look whether it is still whole, the first renewal does.
func TestFenceChangedBeforeTheTake(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	m := w.open(t)
	w.nft(t, "insert rule inet memvip leaving accept")
	take(t, m, service)
	dropAtEnd(t, m, service)
	if got := m.Counts().FenceRestored; got != 0 {
		t.Errorf("put back %d times on the way to the first announcement", got)
	}
	if _, err := m.Prolong(service); err != nil {
		t.Fatal(err)
	}
	if got := m.Counts().FenceRestored; got != 1 {
		t.Errorf("put back %d times by the first renewal, want once", got)
	}
}

// TestFenceOutlivesTheAgent closes the Manager while it holds an address, as an agent that is to be replaced
// does, and opens another.
func TestFenceOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	ip := service.Prefix.Addr()
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	lease, _ := until(time.Now().Add(3 * time.Second))
	first := w.open(t)
	if err := first.Take(service, lease); err != nil {
		t.Fatal(err)
	}
	conn := w.dial(t, ip, wildPort)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := echo(conn); err != nil {
		t.Fatalf("between two agents: %v", err)
	}
	dropAtEnd(t, w.open(t), service)
	if err := echo(conn); err != nil {
		t.Fatalf("after the next has come: %v", err)
	}
	waitFor(t, "the end of the first one's lease", func() bool { return errors.Is(w.knock(t, ip, wildPort), unix.ECONNREFUSED) })
	if left := lease(); left > 50*time.Millisecond {
		t.Errorf("closed %s before the lease's end", left)
	}
}

// TestFenceAfterTheAgent looks at what an agent leaves that has given everything away: late packets are
// answered by a reset for a while, and then nothing is in anybody's way.
func TestFenceAfterTheAgent(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	ip := service.Prefix.Addr()
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	m := w.open(t)
	take(t, m, service)
	drop(t, m, service)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.knock(t, ip, wildPort); !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("right after: %v, want refused", err)
	}
	w.addForeign(t, service.Prefix)
	waitFor(t, "the end of the farewell", func() bool { return w.knock(t, ip, wildPort) == nil })
}

// TestCleanupLeavesTheFarewell: a Manager that nobody told of addresses, opened and closed after an agent has left in
// order, does not cut short what that one left for late packets; after one that was killed, it leaves a fence that
// ends by itself.
func TestCleanupLeavesTheFarewell(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]bool{"left in order": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			ip := service.Prefix.Addr()
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			lease, _ := until(time.Now().Add(time.Second))
			if err := m.Take(service, lease); err != nil {
				t.Fatal(err)
			}
			dropAtEnd(t, w.open(t), service)
			if !dies {
				drop(t, m, service)
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
			}
			w.options.Managed, w.options.Links = nil, nil
			if err := w.open(t).Close(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "refusal", func() bool { return errors.Is(w.knock(t, ip, wildPort), unix.ECONNREFUSED) })
			for line := range strings.Lines(w.nft(t, "list set inet "+tableName+" managed4")) {
				if strings.Contains(line, ip.String()) && !strings.Contains(line, "expires") {
					t.Errorf("managed for ever: %s", line)
				}
			}
		})
	}
}

// TestFenceForAsManyAddressesAsThereMayBe: the kernel acknowledges each message of a transaction, and all of that has to
// find room in a socket's buffer.
func TestFenceForAsManyAddressesAsThereMayBe(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	first, first6 := netip.MustParseAddr("10.0.1.0"), netip.MustParseAddr("fd00::1:0")
	for range 250 {
		first, first6 = first.Next(), first6.Next()
		w.options.Managed = append(w.options.Managed, first, first6)
	}
	m := w.open(t)
	lease, _ := until(time.Now().Add(time.Hour))
	for _, ip := range w.options.Managed {
		if err := m.fence.open(ip, lease); err != nil {
			t.Fatal(err)
		}
	}
	w.nft(t, "flush ruleset")
	if err := m.fence.open(first, lease); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(w.nft(t, "list set inet "+tableName+" in4"), "expires"); n != 253 {
		t.Errorf("open for %d addresses of IPv4, want 253", n)
	}
	w.nft(t, "flush set inet "+tableName+" links")
	if err := m.fence.open(first, lease); err != nil {
		t.Fatal(err)
	}
	if got := w.nft(t, "list set inet "+tableName+" links"); !strings.Contains(got, hostLink) {
		t.Errorf("the links are not put back:\n%s", got)
	}
	if n := m.Counts().FenceRestored; n != 2 {
		t.Errorf("made anew %d times, want 2", n)
	}
}

// TestAFenceThatIsGivenUpIsGone: where an agent goes on without nftables, addresses that its earlier life guarded are not
// shut for ever.
func TestAFenceThatIsGivenUpIsGone(t *testing.T) {
	t.Parallel()
	for _, mode := range []FenceMode{FenceLifetime, FenceOff} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			take(t, m, service)
			if err := m.Close(); err != nil { // leaves what is open to the next
				t.Fatal(err)
			}
			w.options.Fence = mode
			next := w.open(t)
			take(t, next, service)
			if got := w.nft(t, "list ruleset"); strings.TrimSpace(got) != "" {
				t.Errorf("still in force:\n%s", got)
			}
			w.dial(t, service.Prefix.Addr(), wildPort)
			drop(t, next, service)
		})
	}
}

// TestNoFenceForNobody: a Manager that nobody told of addresses, as that of the cleanup, leaves no tables.
func TestNoFenceForNobody(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	w.options.Managed = nil
	m := w.open(t)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.nft(t, "list ruleset"); strings.TrimSpace(got) != "" {
		t.Errorf("left behind:\n%s", got)
	}
}

// TestOthersRulesStand: what the host has of its own is as it was.
func TestOthersRulesStand(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	w.nft(t, "add table inet theirs")
	w.nft(t, "add set inet theirs known { type ipv4_addr ; }")
	before := w.nft(t, "list table inet theirs")
	m := w.open(t)
	take(t, m, service)
	drop(t, m, service)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if after := w.nft(t, "list table inet theirs"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestUnheldAddressIsAnsweredByReset: a client that has not noticed a move is told at once.
func TestUnheldAddressIsAnsweredByReset(t *testing.T) {
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			w.open(t)
			if err := w.knock(t, a.Prefix.Addr(), wildPort); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("connect: %v, want refused", err)
			}
		})
	}
}

// TestLifetimeFence: an address is neither taken nor refreshed for less time than it would stay.
func TestLifetimeFence(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.options = Options{Fence: FenceLifetime}
	m := w.open(t)
	short, move := until(time.Now().Add(LifetimeMax / 2))
	if err := m.Take(service, short); !errors.Is(err, ErrFence) {
		t.Fatalf("take for %s: %v, want no fence", LifetimeMax/2, err)
	}
	absent(t, w, service.Prefix)
	move(time.Now().Add(LifetimeMax + time.Second))
	if err := m.Take(service, short); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "renewals to be refused", func() bool {
		_, err := m.Prolong(service)
		return err != nil || short() < LifetimeMax
	})
	waitFor(t, "the kernel to remove it", func() bool { return count(w.there(t), service.Prefix) == 0 })
	if left := short(); left <= 0 {
		t.Errorf("it stayed %s longer than its lease", -left)
	}
}

// TestFenceModes: what is in force is told.
func TestFenceModes(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	for asked, want := range map[FenceMode]FenceMode{
		"": FenceNFTables, FenceAuto: FenceNFTables, FenceNFTables: FenceNFTables, FenceLifetime: FenceLifetime, FenceOff: FenceOff,
	} {
		w.options = Options{Fence: asked}
		if got, why := w.open(t).Fence(); got != want || why != nil {
			t.Errorf("%q: %q (%v), want %q", asked, got, why, want)
		}
	}
	w.host.in(t, func() error {
		if _, err := Open(Options{Fence: "moat"}); !errors.Is(err, ErrFence) {
			t.Errorf("an unknown mode: %v", err)
		}
		return nil
	})
}

// TestKernelDropSeenResetsWhatWasSeen: a client that was seen hears at once that its connection is no more, one that came
// later when it speaks, and neither is left in the server.
func TestKernelDropSeenResetsWhatWasSeen(t *testing.T) {
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			ip := a.Prefix.Addr()
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			take(t, m, a)
			w.believe(t, ip, w.hostMAC(t))
			seen := w.dial(t, ip, wildPort)
			if err := m.EachConnection([]netip.Addr{ip}, func(_, _ netip.AddrPort) {}); err != nil {
				t.Fatal(err)
			}
			later := w.dial(t, ip, wildPort)
			dropped, err := m.DropSeen(a)
			if err != nil || !dropped.Unswept || dropped.Sockets != 1 {
				t.Errorf("dropped %+v, %v, want 1 connection destroyed, and the sweep left to do", dropped, err)
			}
			if _, err := seen.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the client that was seen saw %v, want a reset", err)
			}
			if err := echo(later); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the client that came later saw %v when it spoke, want a reset", err)
			}
			if n, err := m.Sweep(a); n != 1 || err != nil {
				t.Errorf("the sweep found %d, %v, want 1", n, err)
			}
		})
	}
}

// TestFenceThatDoesNotGuard: what it lets through is not known of an address that nobody said is to be guarded.
func TestFenceThatDoesNotGuard(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	m := w.open(t)
	if m.fence.guards(netip.MustParseAddr("10.0.0.77")) {
		t.Error("it guards an address that is not managed")
	}
	if !m.fence.guards(service.Prefix.Addr()) {
		t.Error("it does not guard one that is")
	}
	m.fence.(*nftFence).reject = false // as on a kernel without reject before routing
	take(t, m, service)
	if dropped := drop(t, m, service); dropped.Unswept {
		t.Errorf("dropped %+v, want it swept", dropped)
	}
}

// TestKernelLateElementIsWrittenAgain: the kernel counts from the write, which may have waited for somebody's change of rules.
func TestKernelLateElementIsWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	f := w.open(t).fence.(*nftFence)
	ip, asked := service.Prefix.Addr(), 0
	lease := func() time.Duration {
		if asked++; asked == 1 {
			return time.Minute
		}
		return 10 * time.Second // the first write took 50 s
	}
	if err := f.open(ip, lease); err != nil {
		t.Fatal(err)
	}
	if passes := f.passes(ip); passes == 0 || passes > 10*time.Second {
		t.Errorf("%s passes for another %v, its lease has 10 s", ip, passes)
	}
}

// passes is how long the kernel still lets packets to an address pass.
func (f *nftFence) passes(ip netip.Addr) time.Duration {
	for _, e := range f.elements(newLayout().ip[ip.Is4()].in) {
		if key, _ := netip.AddrFromSlice(e.Key); key == ip {
			return e.Expires
		}
	}
	return 0
}

// TestKernelLateTablesAreWrittenAgain: as an element is, but not for ever.
func TestKernelLateTablesAreWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	f := w.open(t).fence.(*nftFence)
	ip, asked := service.Prefix.Addr(), 0
	f.leases[ip] = func() time.Duration {
		if asked++; asked == 1 {
			return time.Minute
		}
		return 10 * time.Second // the first write took 50 s
	}
	if err := f.rebuild(); err != nil {
		t.Fatal(err)
	}
	if passes := f.passes(ip); passes == 0 || passes > 10*time.Second {
		t.Errorf("%s passes for another %v, its lease has 10 s", ip, passes)
	}
	before, err := f.askGeneration()
	if err != nil {
		t.Fatal(err)
	}
	left := time.Hour
	f.leases[ip] = func() time.Duration {
		left -= time.Second // each is late
		return left
	}
	if err := f.rebuild(); err != nil {
		t.Fatal(err)
	}
	if writes := f.generation - before; writes != writesMax {
		t.Errorf("written %d times, want %d", writes, writesMax)
	}
}

// TestFenceThatCannotBeRewrittenIsShut: what was written before is still there.
func TestFenceThatCannotBeRewrittenIsShut(t *testing.T) {
	t.Parallel()
	w := newFencedWorld(t)
	f := w.open(t).fence.(*nftFence)
	ip := service.Prefix.Addr()
	if err := f.open(ip, func() time.Duration { return time.Hour }); err != nil {
		t.Fatal(err)
	}
	f.managed = append(f.managed, netip.Addr{})
	if err := f.rebuild(); err == nil {
		t.Fatal("the kernel took an address of no length")
	}
	if err := f.shut(ip, both); err != nil {
		t.Fatal(err)
	}
	if elements := w.nft(t, "list set inet memvip in4"); strings.Contains(elements, "elements") {
		t.Errorf("left after it was shut: %s", elements)
	}
}

// TestFenceThatOthersChangedIsNotReliedOn: then a drop looks for connections twice.
func TestFenceThatOthersChangedIsNotReliedOn(t *testing.T) {
	for _, words := range []string{"flush ruleset", "insert rule inet memvip arriving accept", "flush chain inet memvip arriving"} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			m := w.open(t)
			take(t, m, service)
			w.nft(t, words)
			if dropped := drop(t, m, service); dropped.Unswept {
				t.Errorf("dropped %+v, want it swept", dropped)
			}
		})
	}
}
