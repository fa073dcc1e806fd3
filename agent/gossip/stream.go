package gossip

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// stream is a TCP connection whose incoming half is read and authenticated as a whole before the
// first byte of it is handed on. Its user's deadlines apply to that.
type stream struct {
	net.Conn
	owner    *transport
	from     netip.Addr // the peer's, wherever the connection was begun
	accepted bool
	close    sync.Once

	opened bool   // the incoming half has been asked for
	rest   []byte // of it, not yet handed on
	err    error  // why there is none
}

// track adds a connection to those that Shutdown closes and waits for.
func (t *transport) track(conn net.Conn, accepted bool) (*stream, error) {
	s := &stream{Conn: conn, owner: t, from: conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), accepted: accepted}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, net.ErrClosed
	case accepted && t.accepted == maxStreams:
		return nil, drop(DropStreamLimit, "%d streams are open", maxStreams)
	case accepted && !t.knows(s.from) && t.strange() == maxStrange:
		return nil, drop(DropStreamLimit, "%d streams of strangers are open", maxStrange)
	}
	if accepted {
		t.accepted++
	}
	t.streams[s] = struct{}{}
	t.wg.Add(1)
	return s, nil
}

// strange is how many accepted streams come from where no node is configured. mu is held.
func (t *transport) strange() int {
	n := 0
	for s := range t.streams {
		if s.accepted && !t.knows(s.from) {
			n++
		}
	}
	return n
}

// knows reports whether a configured node speaks from an address.
func (t *transport) knows(from netip.Addr) bool {
	for _, p := range t.peers {
		if p.addr.Addr() == from {
			return true
		}
	}
	return false
}

// Read hands on the authenticated content, as memberlist framed it.
func (s *stream) Read(p []byte) (int, error) {
	if !s.opened {
		s.opened = true
		if s.rest, s.err = s.owner.screen.readStream(s.from, s.Conn, s.accepted); s.err != nil {
			s.owner.tally.drop(s.err)
		}
	}
	switch {
	case len(s.rest) > 0:
		n := copy(p, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	case s.err != nil:
		return 0, s.err
	}
	return 0, io.EOF
}

// Close is the user's word that it is done with the stream.
func (s *stream) Close() error {
	err := s.Conn.Close()
	s.close.Do(func() {
		s.owner.mu.Lock()
		delete(s.owner.streams, s)
		if s.accepted {
			s.owner.accepted--
		}
		s.owner.mu.Unlock()
		s.owner.wg.Done()
	})
	return err
}
