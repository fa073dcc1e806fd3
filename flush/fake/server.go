package fake

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Generation tells apart how versions flush.
type Generation int

const (
	// Until1624 is memcached up to 1.6.24: a flush takes everything stored before it.
	Until1624 Generation = iota
	// Since1625 is memcached from 1.6.25 on: a flush spares what was read in place within the last second.
	Since1625
)

// Options are the server's command line. The zero value is a plain 1.6.18.
type Options struct {
	Generation   Generation
	NoFlush      bool   // -F
	Login        bool   // -Y: every command is refused, since nobody can log in
	MemoryFile   string // -e: Restart keeps the items
	NoMaintainer bool   // dead items stay until a crawl
	NoCrawler    bool
	Threads      int           // 4 if 0
	PID          int           // of the first process; 4000 if 0
	ReclaimAfter time.Duration // how long after a flush dead items are gone by themselves
	// OnCommand, if set, is called with each command line before it is obeyed, on that connection's goroutine. It may
	// call every method but Close.
	OnCommand func(command string)
}

// Server is one fake memcached. Its methods may be used from several goroutines.
type Server struct {
	opts Options
	done chan struct{} // closed by Close
	busy sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	full      bool
	reply     string        // what every command is answered with instead, if not empty
	running   chan struct{} // closed unless the server hangs
	pid       int
	started   time.Time // moves on Restart, unless memory is kept
	cache     cache
	counts    map[string]uint64
	listeners []net.Listener
	conns     map[int]*serverConn
	nextFD    int
	accepted  uint64
}

// serverConn is an entry of stats conns.
type serverConn struct {
	nc          net.Conn // nil for one whose socket the kernel destroyed
	peer, local netip.AddrPort
}

// New returns a server that nobody can reach yet; see Listen and Dial. Close it at the end.
func New(opts Options) *Server {
	if opts.Threads == 0 {
		opts.Threads = 4
	}
	running := make(chan struct{})
	close(running)
	if opts.PID == 0 {
		opts.PID = 4000
	}
	const firstFD = 20
	return &Server{
		opts: opts, done: make(chan struct{}), running: running,
		pid: opts.PID, started: time.Now(), nextFD: firstFD,
		cache: newCache(opts.Generation), counts: map[string]uint64{}, conns: map[int]*serverConn{},
	}
}

// Listen starts to accept connections on a TCP address, such as "127.0.0.1:0", and returns it with its port. As
// memcached's, a socket on all addresses of one family takes none of the other.
func (s *Server) Listen(addr string) (netip.AddrPort, error) {
	network := "tcp4"
	if strings.HasPrefix(addr, "[") {
		network = "tcp6"
	}
	listener, err := net.Listen(network, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	s.mu.Lock()
	s.listeners = append(s.listeners, listener)
	s.mu.Unlock()
	s.busy.Go(func() { s.accept(listener) })
	return addrPort(listener.Addr()), nil
}

// Dial connects in memory, as if to the server's address local.
func (s *Server) Dial(local netip.AddrPort) net.Conn {
	ours, theirs := net.Pipe()
	s.busy.Go(func() { s.serve(theirs, netip.AddrPort{}, local) })
	return ours
}

// Close ends all connections and returns when nothing of the server runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
	s.dropConns()
	s.mu.Unlock()
	s.busy.Wait()
}

// Restart is the end of this process and the start of the next: a new pid, all connections gone, all figures at zero,
// and the items gone too unless they are kept in a file.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid++
	s.counts = map[string]uint64{}
	s.accepted = 0
	if s.opts.MemoryFile == "" {
		s.started = time.Now()
		s.cache = newCache(s.opts.Generation)
	}
	s.dropConns()
}

// dropConns closes connections; each one's goroutine takes its entry away.
func (s *Server) dropConns() {
	for fd, conn := range s.conns {
		if conn.nc == nil {
			delete(s.conns, fd)
			continue
		}
		_ = conn.nc.Close()
	}
}

// Hang stops the server from answering anything until Thaw, as SIGSTOP does. Connections are still made.
func (s *Server) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = make(chan struct{})
}

// Thaw ends Hang.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.running:
	default:
		close(s.running)
	}
}

// SetFull makes the server turn new connections away, as one that has reached its maximum.
func (s *Server) SetFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// SetReply makes the server answer every command with these very bytes; "" ends that.
func (s *Server) SetReply(reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

// AddDestroyed adds a connection that was accepted on local and whose socket the kernel destroyed, while the process
// has not got round to closing it. The returned function closes it.
func (s *Server) AddDestroyed(local netip.AddrPort) (closeIt func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.nextFD
	s.nextFD++
	s.conns[fd] = &serverConn{local: local}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, fd)
	}
}

// Do obeys one command as from a client that is not among the connections, and returns the reply. Data follows the
// command line after "\r\n", as on the wire.
func (s *Server) Do(command string) string {
	line, data := cutLine(command)
	return s.obey(line, []byte(data))
}

// Count returns how often a command, by its first word, was obeyed or refused since the start.
func (s *Server) Count(word string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts["command "+word]
}

func (s *Server) accept(listener net.Listener) {
	for {
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		s.busy.Go(func() { s.serve(nc, addrPort(nc.RemoteAddr()), addrPort(nc.LocalAddr())) })
	}
}

func addrPort(addr net.Addr) netip.AddrPort {
	parsed := netip.MustParseAddrPort(addr.String())
	return netip.AddrPortFrom(parsed.Addr().Unmap(), parsed.Port())
}
