package flush

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"memvip/flush/memcached"
	"memvip/integration/apart"

	"github.com/vishvananda/netlink"
)

var destroyedVIP = netip.MustParseAddr("127.0.0.5")

// destroyVIPSockets does what the agent does when it gives the address up: it repeats until none is left, since a socket
// may be in the making while it is looked at.
func destroyVIPSockets(t *testing.T, server netip.AddrPort) {
	t.Helper()
	destroyed := 0
	eventually(t, "no socket of the service address is left", func() bool {
		left := vipSockets(t, server)
		for _, socket := range left {
			err := netlink.SocketDestroy(
				&net.TCPAddr{IP: socket.ID.Source, Port: int(socket.ID.SourcePort)},
				&net.TCPAddr{IP: socket.ID.Destination, Port: int(socket.ID.DestinationPort)})
			switch {
			case err == nil:
				destroyed++
			case !errors.Is(err, syscall.ENOENT):
				t.Fatalf("destroy %v (the kernel needs CONFIG_INET_DIAG_DESTROY): %v", socket.ID, err)
			}
		}
		return len(left) == 0
	})
	if destroyed == 0 {
		t.Fatal("no socket of the service address was found")
	}
}

func vipSockets(t *testing.T, server netip.AddrPort) []*netlink.Socket {
	t.Helper()
	sockets, err := netlink.SocketDiagTCP(syscall.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(sockets, func(socket *netlink.Socket) bool {
		local, _ := netip.AddrFromSlice(socket.ID.Source.To4())
		return local != destroyedVIP || socket.ID.SourcePort != server.Port() || socket.State == netlink.TCP_LISTEN
	})
}

// A server that hung executes, once it runs again, what it had received on sockets that were destroyed meanwhile, even
// on those that it had not yet accepted. Whenever Drained returns, that has to be over. With a listener of its own for
// the address, the server accepts our connections before it is through with those.
func TestDrainedOutlastsDestroyedSockets(t *testing.T) {
	if !apart.Test(t) {
		return
	}
	const rounds, accepted, waiting = 10, 10, 300
	for _, with := range []settings{{wildcard: true}, {vipListener: true}} {
		for round := range rounds {
			i := startMemcached(t, with).(*realInstance)
			vip := netip.AddrPortFrom(destroyedVIP, i.at.Port())
			users := connectMany(t, vip, accepted)
			for _, user := range users {
				user.do("mn")
			}
			i.hang(t)
			users = append(users, connectMany(t, vip, waiting)...)
			sendSets(t, users)
			destroyVIPSockets(t, i.at)
			i.thaw(t)
			if err := patient(i).drained(t.Context(), []netip.Addr{destroyedVIP}, time.Minute); err != nil {
				t.Fatal(err)
			}
			if f := inspect(t, i); f.Counters[CmdSet] != accepted+waiting {
				t.Fatalf("%+v, round %d: drained after %d of %d sets", with, round, f.Counters[CmdSet], accepted+waiting)
			}
		}
	}
}

func connectMany(t *testing.T, addr netip.AddrPort, n int) []*userConn {
	t.Helper()
	users := make([]*userConn, n)
	for i := range users {
		users[i] = connect(t, addr)
	}
	return users
}

func sendSets(t *testing.T, users []*userConn) {
	t.Helper()
	for n, user := range users {
		if _, err := fmt.Fprintf(user.nc, "set key%d 0 0 1\r\nx\r\n", n); err != nil {
			t.Fatal(err)
		}
	}
}

// While one worker is stuck, connections that were dealt to it are in no list, and the others answer as ever.
func TestDrainedIsNotFooledByAStuckWorker(t *testing.T) {
	if !apart.Test(t) {
		return
	}
	i := startMemcached(t, settings{wildcard: true}).(*realInstance)
	// Enough for a dump to fill all buffers, too few for the server to grow its hash table meanwhile, which would stop all
	// workers for good. Two connections for each worker.
	const filling, sets = 60_000, 8
	fillFast(t, i.at, filling)
	unstick := stickOneWorker(t, i.at)
	users := connectMany(t, netip.AddrPortFrom(destroyedVIP, i.at.Port()), sets)
	sendSets(t, users)
	asker := connectToLiveWorker(t, i.at)
	eventually(t, "the other workers execute theirs", func() bool {
		stats, err := asker.Stats(t.Context(), "")
		return err == nil && stats["cmd_set"] == fmt.Sprint(filling+sets*3/4)
	})
	destroyVIPSockets(t, i.at)

	for range 4 { // So that the first connection of one try meets a live worker.
		drained := func(ctx context.Context) error { return Drained(ctx, i.at, []netip.Addr{destroyedVIP}, 0) }
		if answerWithin(t, drained) == nil {
			t.Fatal("drained, although a worker has not come round")
		}
	}
	unstick()
	if err := patient(i).drained(t.Context(), []netip.Addr{destroyedVIP}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if f := inspect(t, i); f.Counters[CmdSet] != filling+sets {
		t.Fatalf("drained after %d of %d sets", f.Counters[CmdSet], filling+sets)
	}
}

func fillFast(t *testing.T, addr netip.AddrPort, items int) {
	t.Helper()
	user := connect(t, addr)
	padding := strings.Repeat("x", 150)
	writer := bufio.NewWriter(user.nc)
	for n := range items {
		fmt.Fprintf(writer, "set %s%d 0 0 1 noreply\r\nx\r\n", padding, n)
	}
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	user.do("mn")
}

// stickOneWorker asks for a dump, does not read it, and asks for another walk, whose worker then waits until the dump's
// client has left.
func stickOneWorker(t *testing.T, addr netip.AddrPort) (unstick func()) {
	t.Helper()
	dump := connect(t, addr)
	if err := dump.nc.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dump begins", func() bool {
		if _, err := io.WriteString(dump.nc, "lru_crawler metadump all\r\n"); err != nil {
			t.Fatal(err)
		}
		start := make([]byte, len("key="))
		if _, err := io.ReadFull(dump.nc, start); err != nil {
			t.Fatal(err)
		}
		if string(start) == "key=" {
			return true
		}
		// The server's own walk is under way.
		if _, err := dump.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return false
	})
	eventually(t, "a worker gets stuck", func() bool {
		walk := connect(t, addr)
		return errors.Is(answerWithin(t, memcached.New(walk.nc, "walk").CrawlAll), context.DeadlineExceeded)
	})
	return dump.close
}

// answerWithin gives a live worker far more time than it needs.
func answerWithin(t *testing.T, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	return ask(ctx)
}

func connectToLiveWorker(t *testing.T, addr netip.AddrPort) *memcached.Conn {
	t.Helper()
	for range 8 {
		conn := memcached.New(connect(t, addr).nc, "asker")
		if answerWithin(t, conn.Noop) == nil {
			return conn
		}
	}
	t.Fatal("no worker answers")
	return nil
}

// The server lists a connection whose socket was destroyed, with the address it was accepted on, until it has closed
// it. It has one worker here, which comes to the question before it comes to the dead connection.
func TestDestroyedSocketStaysListedUntilClosed(t *testing.T) {
	if !apart.Test(t) {
		return
	}
	i := startMemcached(t, settings{wildcard: true, oneThread: true}).(*realInstance)
	vip := netip.AddrPortFrom(destroyedVIP, i.at.Port())
	asker, user := connect(t, i.at), connect(t, vip)
	user.do("mn")
	asker.do("mn") // Last, so that the server does not look at the other one first.
	i.hang(t)
	if _, err := io.WriteString(asker.nc, "stats conns\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(user.nc, "set a 0 0 1\r\nx\r\n"); err != nil {
		t.Fatal(err)
	}
	destroyVIPSockets(t, i.at)
	i.thaw(t)

	conn := memcached.New(&answerPending{Conn: asker.nc}, "asker")
	listed, err := conn.Conns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	onVIP := func(c memcached.Client) bool { return c.Local == vip }
	if !slices.ContainsFunc(listed, onVIP) {
		t.Errorf("not listed: %+v", listed)
	}
	eventually(t, "the server closes the connection", func() bool {
		listed, err := memcached.New(asker.nc, "asker").Conns(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(listed, onVIP)
	})
	if f := inspect(t, i); f.Counters[CmdSet] != 1 {
		t.Errorf("%d sets were executed, want the one from the destroyed socket", f.Counters[CmdSet])
	}
}

// answerPending swallows the question, which was asked before.
type answerPending struct{ net.Conn }

func (a *answerPending) Write(p []byte) (int, error) { return len(p), nil }
