package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"memvip/flush/memcached"
)

// blackholeAfter is when the kernel gives up a connection whose packets nobody acknowledges. A frozen process's kernel
// acknowledges, so this ends only a connection that a packet filter cut, which would else stay silent for long.
const blackholeAfter = 3 * time.Second

// event is what a goroutine of the prober tells its loop.
type event struct {
	what     eventKind
	id       int // of the session or fresh connection
	sent, at time.Time
	err      error    // for opened, answered and freshDone
	who      identity // for opened
}

type eventKind int

const (
	opened    eventKind = iota // a session has its connection, first answer and identity, or failed to
	answered                   // a session's question has its answer, or failed
	hungUp                     // a session's connection ended
	freshDone                  // a fresh connection has its answer, or failed
)

// session is one kept-open connection, from the attempt to open it to its end. It ends with its context.
type session struct {
	id     int
	addr   netip.AddrPort
	asks   chan struct{} // Invariant: the loop sends only when no answer is outstanding, so it never blocks.
	events chan<- event
	cancel context.CancelFunc

	// ours is true while the server has answered and this side has yet to find out who it is. Written by the session's
	// goroutine.
	ours atomic.Bool
}

func startSession(ctx context.Context, wg *sync.WaitGroup, id int, addr netip.AddrPort, events chan<- event) *session {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{id: id, addr: addr, asks: make(chan struct{}, 1), events: events, cancel: cancel}
	wg.Go(func() { s.run(ctx) })
	return s
}

// ask sends mn; an answered event follows.
func (s *session) ask() { s.asks <- struct{}{} }

// end makes the session's goroutines end soon; their events are not delivered any more, or come late.
func (s *session) end() { s.cancel() }

func (s *session) tell(ctx context.Context, ev event) {
	ev.id = s.id
	ev.at = time.Now()
	select {
	case s.events <- ev:
	case <-ctx.Done():
	}
}

func (s *session) run(ctx context.Context) {
	sent := time.Now()
	nc, err := connect(ctx, s.addr)
	if err != nil {
		s.tell(ctx, event{what: opened, sent: sent, err: err})
		return
	}
	conn := memcached.New(unwatched(nc), s.addr.String())
	defer func() { _ = conn.Close() }() // Its end is what is wanted, whatever the kernel says to it.
	h, err := watchHangup(nc)
	if err != nil {
		s.tell(ctx, event{what: opened, sent: sent, err: err})
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer h.close()
	wg.Go(func() {
		if h.wait() {
			s.tell(ctx, event{what: hungUp})
		}
	})
	who, err := s.introduce(ctx, conn)
	s.tell(ctx, event{what: opened, sent: sent, err: err, who: who})
	s.converse(ctx, conn)
}

// introduce asks the first question, and if a live server answers, who that is.
func (s *session) introduce(ctx context.Context, conn *memcached.Conn) (identity, error) {
	err := conn.Noop(ctx)
	if err != nil && !classify(err).alive() {
		return identity{}, err
	}
	var told map[string]string
	if err == nil {
		// A server that answers mn but not stats in the same breath is judged by what stats met.
		if told, err = conn.Stats(ctx, ""); err != nil {
			return identity{}, err
		}
	}
	s.ours.Store(true)
	defer s.ours.Store(false)
	return identify(ctx, s.addr, told), err
}

func (s *session) converse(ctx context.Context, conn *memcached.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.asks:
		}
		sent := time.Now()
		err := conn.Noop(ctx)
		s.tell(ctx, event{what: answered, sent: sent, err: err})
	}
}

// connectAgainAfter is when an attempt to connect that nobody answers is begun anew. The kernel repeats its first packet
// after 1 s and then ever less often, up to once a minute, so what begins to take connections would be found late.
const connectAgainAfter = 2 * time.Second

// dial connects, however often that takes: who waits for an answer counts it overdue by a clock of their own, and nothing
// that happens meanwhile counts besides.
func dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: connectAgainAfter}
	for {
		nc, err := dialer.DialContext(ctx, "tcp", addr.String())
		// ETIMEDOUT, by which the kernel gives up, is neither of the two.
		if ours := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded); !ours || ctx.Err() != nil {
			return nc, err
		}
	}
}

// connect opens a connection that is not kept alive by empty packets: questions do that.
func connect(ctx context.Context, addr netip.AddrPort) (*net.TCPConn, error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return nil, err // The net package's error names operation and address.
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("connect to %s: got a %T", addr, nc)
	}
	raw, err := tcp.SyscallConn()
	if err == nil {
		// Without the option a black hole is noticed later, that is all.
		err = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(blackholeAfter.Milliseconds()))
		})
	}
	if err != nil {
		_ = tcp.Close() // The first error tells more.
		return nil, err
	}
	return tcp, nil
}

// askFresh opens a connection for one question.
func askFresh(ctx context.Context, addr netip.AddrPort) error {
	nc, err := connect(ctx, addr)
	if err != nil {
		return err
	}
	conn := memcached.New(unwatched(nc), addr.String())
	err = conn.Noop(ctx)
	_ = conn.Close() // The answer is what counts.
	return err
}
