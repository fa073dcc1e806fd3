package fake

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// serve runs one connection until its client or the server ends it.
func (s *Server) serve(nc net.Conn, peer, local netip.AddrPort) {
	defer nc.Close()
	fd, ok := s.enter(&serverConn{nc: nc, peer: peer, local: local})
	if !ok {
		// In memory, the client could not finish its command otherwise.
		s.busy.Go(func() { _, _ = io.Copy(io.Discard, nc) })
		_, _ = io.WriteString(nc, "ERROR Too many open connections\r\n")
		return
	}
	defer s.leave(fd)
	commands := bufio.NewReader(nc)
	for {
		line, err := commands.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		data, err := readData(commands, line)
		if err != nil || !s.waitUntilRunning() || line == "quit" {
			return
		}
		if s.opts.OnCommand != nil {
			s.opts.OnCommand(line)
		}
		if _, err := io.WriteString(nc, s.obey(line, data)); err != nil {
			return
		}
	}
}

func (s *Server) enter(conn *serverConn) (fd int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full || s.closed {
		return 0, false
	}
	fd = s.nextFD
	s.nextFD++
	s.accepted++
	s.conns[fd] = conn
	return fd, true
}

func (s *Server) leave(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, fd)
}

// waitUntilRunning returns false if the server was closed instead.
func (s *Server) waitUntilRunning() bool {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	select {
	case <-running:
		return true
	case <-s.done:
		return false
	}
}

// readData reads what follows a set command's line.
func readData(r io.Reader, line string) ([]byte, error) {
	words := strings.Fields(line)
	if len(words) < 5 || words[0] != "set" {
		return nil, nil
	}
	const dataBytesMax = 1 << 20
	size, err := strconv.ParseUint(words[4], 10, 32)
	if err != nil || size > dataBytesMax {
		return nil, nil // The command itself is refused.
	}
	data := make([]byte, size+2)
	_, err = io.ReadFull(r, data)
	return data, err
}

func cutLine(command string) (line, data string) {
	line, data, _ = strings.Cut(command, "\r\n")
	return line, data
}
