package health

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// manner is how a scripted server treats one connection.
type manner int

const (
	serves   manner = iota // answers as memcached does
	silent                 // accepts, reads, and never answers
	full                   // says that it is full, and closes
	login                  // says that it wants a login
	nonsense               // answers every line with another protocol's words
	hangsUp                // closes at once
)

// scripted is a TCP server on loopback that behaves by script. It is not memcached, but speaks as much of it as a
// prober asks for.
type scripted struct {
	t    *testing.T
	addr netip.AddrPort
	wg   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	accepted int
	pid      int
	treat    func(n int) manner // of the n-th connection since the start, counted from 0
}

func startScripted(t *testing.T, treat func(n int) manner) *scripted {
	t.Helper()
	s := &scripted{t: t, conns: make(map[net.Conn]bool), treat: treat, pid: 1 << 30}
	s.listen("127.0.0.1:0")
	s.addr = s.listener.Addr().(*net.TCPAddr).AddrPort()
	t.Cleanup(func() {
		s.stop()
		s.wg.Wait()
	})
	return s
}

func always(m manner) func(int) manner { return func(int) manner { return m } }

func (s *scripted) listen(addr string) {
	s.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.wg.Go(func() { s.accept(l) })
}

// script changes the manner of connections to come.
func (s *scripted) script(treat func(n int) manner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.treat = treat
}

// stop closes the listener and all connections, as the end of a process does.
func (s *scripted) stop() {
	s.mu.Lock()
	s.listener.Close()
	s.mu.Unlock()
	s.hangUp()
}

// hangUp closes all connections.
func (s *scripted) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// reincarnate makes it tell another process id and hang up on everybody: a restart too fast to meet a closed port.
func (s *scripted) reincarnate() {
	s.mu.Lock()
	s.pid++
	s.mu.Unlock()
	s.hangUp()
}

func (s *scripted) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		m := s.treat(s.accepted)
		s.accepted++
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(c, m)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *scripted) serve(c net.Conn, m manner) {
	switch m {
	case full:
		fmt.Fprint(c, "ERROR Too many open connections\r\n")
		return
	case hangsUp:
		return
	case serves, silent, login, nonsense:
	}
	for scanner := bufio.NewScanner(c); scanner.Scan(); {
		if reply := s.reply(m, strings.TrimSuffix(scanner.Text(), "\r")); reply != "" {
			fmt.Fprint(c, reply)
		}
	}
}

func (s *scripted) reply(m manner, command string) string {
	s.mu.Lock() // Also for mn: freeze holds it.
	defer s.mu.Unlock()
	switch {
	case m == silent:
		return ""
	case m == login:
		return "CLIENT_ERROR unauthenticated\r\n"
	case m == nonsense:
		return "500 what?\r\n"
	case command == "mn":
		return "MN\r\n"
	case command == "stats":
		return fmt.Sprintf("STAT pid %d\r\nSTAT uptime 10\r\nSTAT time 1900000010\r\nSTAT threads 4\r\nEND\r\n", s.pid)
	}
	return "ERROR\r\n"
}

// usual is how a test probes where it does not say otherwise.
var usual = Options{Interval: 100 * time.Millisecond, Deadline: 150 * time.Millisecond, Fall: 3, Rise: 3, FreshInterval: time.Second}

// orUsual completes options.
func orUsual(o Options) Options {
	o.Interval, o.Deadline = cmp.Or(o.Interval, usual.Interval), cmp.Or(o.Deadline, usual.Deadline)
	o.Fall, o.Rise = cmp.Or(o.Fall, usual.Fall), cmp.Or(o.Rise, usual.Rise)
	o.FreshInterval = cmp.Or(o.FreshInterval, usual.FreshInterval)
	return o
}

// hasty are options that decide soon, but leave a busy machine some time to answer.
var hasty = Options{Interval: 20 * time.Millisecond, Deadline: 200 * time.Millisecond, FreshInterval: 20 * time.Millisecond}

// idle are options under which, once the instance is up, no question is asked for an hour.
var idle = Options{Interval: time.Hour, FreshInterval: time.Hour}

// serving starts a server that serves, and a prober that has found it up.
func serving(t *testing.T, o Options) (*scripted, <-chan Report) {
	t.Helper()
	s := startScripted(t, always(serves))
	_, reports := probe(t, s.addr, o)
	next(t, reports, true, ReasonNone)
	return s, reports
}

// probe runs a prober of the address until the test ends, and gives its reports.
func probe(t *testing.T, addr netip.AddrPort, o Options) (*Prober, <-chan Report) {
	t.Helper()
	o.Address = addr
	reports := make(chan Report, 1000)
	o.Report = func(r Report) {
		select {
		case reports <- r:
		default:
			t.Error("more reports than any test has room for")
		}
	}
	p := New(orUsual(o))
	runUntilCleanup(t, p)
	return p, reports
}

// next returns the next report and insists on what it says.
func next(t *testing.T, reports <-chan Report, up bool, reason Reason) Report {
	t.Helper()
	r := wait(t, fmt.Sprintf("up=%t %v", up, reason), reports)
	if r.Up != up || r.Reason != reason {
		t.Fatalf("got %+v, want up=%t %v", r, up, reason)
	}
	return r
}
