package lab

import (
	"errors"

	"golang.org/x/sys/unix"
)

// conn is one connection of a client. Its first request asks for the process at the other end (`stats`, which
// leaves nothing behind in a cache) and carries the first operation with it, so every answer is known to
// be of one process for sure.
type conn struct {
	fd       int
	number   int32 // index in loop.slots
	life     int32 // tells this connection from earlier ones with its number
	driver   *driver
	ready    bool  // connected
	server   int32 // who answers; unknownServer until told
	in       []byte
	busy     bool
	begun    Instant
	deadline Instant // Invariant: of meaning only while busy
	sent     Instant
	since    Instant // idle since
	command  command
	write    write
	read     read
	asked    bool // an operation is on its way. Invariant: only while busy
	prev     *conn
	next     *conn
}

const unknownServer = -1

// hardClose makes close send a reset.
var hardClose = unix.Linger{Onoff: 1, Linger: 0}

// dial begins to connect. Closing will reset rather than linger, so that no ephemeral port is spent.
func (l *loop) dial(d *driver) (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &hardClose)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.Connect(fd, &d.addr)
		if errors.Is(err, unix.EINPROGRESS) {
			err = nil
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := &conn{fd: fd, driver: d, server: unknownServer}
	l.number(c)
	// Edge-triggered and for everything at once, so that the set is touched but once per connection.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: c.number, Pad: c.life}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		l.discard(c)
		return nil, err
	}
	return c, nil
}

// number gives a connection its place.
func (l *loop) number(c *conn) {
	l.lives++
	c.life = l.lives
	if n := len(l.unused); n > 0 {
		c.number = l.unused[n-1]
		l.unused = l.unused[:n-1]
		l.slots[c.number] = c
		return
	}
	c.number = int32(len(l.slots))
	l.slots = append(l.slots, c)
}

// discard closes a connection that has no attempt under way.
func (l *loop) discard(c *conn) {
	unix.Close(c.fd)
	l.slots[c.number] = nil
	l.unused = append(l.unused, c.number)
}

// ready handles what epoll says of a connection.
func (l *loop) ready(e unix.EpollEvent) {
	c := l.slots[e.Fd]
	if c == nil || c.life != e.Pad {
		return // closed earlier in this batch
	}
	if !c.ready && !l.connected(c, e.Events) {
		return
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.receive(c)
	}
}

// connected finishes the connect, and reports whether there is a connection now.
func (l *loop) connected(c *conn, events uint32) bool {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		l.fail(c, failureOf(err), err.Error())
		return false
	}
	if events&unix.EPOLLOUT == 0 {
		return false
	}
	c.ready = true
	if l.o.Discipline == ClosedLoop {
		c.deadline = Now().Add(l.o.AnswerTimeout)
	}
	l.ask(c)
	return l.slots[c.number] == c
}

// ask chooses the operation and sends it. It is chosen this late so that attempts which never get a
// connection leave no write in doubt.
func (l *loop) ask(c *conn) {
	d := c.driver
	out := l.out[:0]
	if c.server == unknownServer {
		out = append(out, "stats\r\n"...)
	}
	d.turn++
	c.command = commandGet
	if d.turn%2 == 0 {
		if w, ok := d.ledger.nextWrite(); ok {
			c.write, c.command = w, commandSet
			if w.delete {
				c.command = commandDelete
			}
		}
	}
	switch c.command {
	case commandSet:
		out = appendSet(out, c.write.key, c.write.version)
	case commandDelete:
		out = appendDelete(out, c.write.key)
	default:
		c.read = d.ledger.nextRead()
		out = appendGet(out, c.read.key)
	}
	l.out = out
	c.asked = true
	c.sent = Now()
	if n, err := unix.Write(c.fd, out); err != nil {
		l.fail(c, failureOf(err), err.Error())
	} else if n < len(out) {
		// A hundred bytes always fit an idle connection's buffer.
		l.fail(c, FailureUnreachable, "request was cut short")
	}
}

// receive reads what has come and finishes the attempt if its answer is whole.
func (l *loop) receive(c *conn) {
	for {
		n, err := unix.Read(c.fd, l.buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return
		case err != nil:
			l.lost(c, failureOf(err), err.Error())
			return
		case n == 0:
			l.lost(c, FailureClosed, "")
			return
		}
		data := l.buf[:n]
		if len(c.in) > 0 {
			c.in = append(c.in, data...)
			data = c.in
		}
		if !l.consume(c, data) {
			return
		}
		if n < len(l.buf) {
			return // nothing more can be there: an end of the stream comes with an event of its own
		}
	}
}

// consume takes answers from data and keeps the rest. It reports false if the connection is gone.
func (l *loop) consume(c *conn, data []byte) bool {
	for len(data) > 0 && c.asked {
		want := c.command
		if c.server == unknownServer {
			want = commandStats
		}
		r, n, err := parseReply(want, data)
		if errors.Is(err, errPartial) {
			break
		}
		if err != nil {
			l.fail(c, FailureBadReply, err.Error())
			return false
		}
		data = data[n:]
		if want == commandStats {
			c.server = l.serverOf(c.driver, int(r.value))
			continue
		}
		l.succeed(c, r)
	}
	if len(data) > 0 && !c.asked {
		l.lost(c, FailureBadReply, "more than was asked for")
		return false
	}
	c.in = append(c.in[:0], data...)
	return true
}

// serverOf finds the record's number for a process.
func (l *loop) serverOf(d *driver, pid int) int32 {
	if d.server.pid != pid {
		d.server = serverMemo{pid: pid, index: l.rec.server(Server{Host: l.who(pid), PID: pid})}
	}
	return d.server.index
}

// succeed books the answer and makes the connection idle.
func (l *loop) succeed(c *conn, r reply) {
	now := Now()
	d := c.driver
	judged := verdictCurrent
	if c.command == commandGet {
		judged = l.judge(c, r, now)
	} else {
		d.ledger.acknowledged(c.write)
	}
	l.rec.answered(d.vip, Answer{Sent: c.sent, At: now, server: c.server}, c.command, judged)
	c.asked = false
	c.end()
	c.since = now
	d.idle = append(d.idle, c)
}

func (l *loop) judge(c *conn, r reply, now Instant) verdict {
	v := c.driver.ledger.judge(c.read, r.found, uint64(r.value))
	if v == verdictStale || v == verdictAlien {
		l.rec.sawStale(c.driver.vip, StaleRead{
			At: now, Host: l.rec.hostNamed(c.server), Key: c.read.key,
			Got: uint64(r.value), Confirmed: c.read.floor, Alien: v == verdictAlien,
		})
	}
	return v
}

// lost ends a connection that broke, and its attempt if it had one.
func (l *loop) lost(c *conn, why Failure, detail string) {
	if c.busy {
		l.fail(c, why, detail)
		return
	}
	idle := c.driver.idle
	for i := range idle {
		if idle[i] == c {
			c.driver.idle = append(idle[:i], idle[i+1:]...)
			break
		}
	}
	l.discard(c)
}

// fail ends an attempt, and its connection with it.
func (l *loop) fail(c *conn, why Failure, detail string) {
	if c.asked && c.command != commandGet {
		c.driver.ledger.uncertain(c.write)
	}
	c.asked = false
	c.end()
	l.discard(c)
	l.rec.failed(c.driver.vip, Failed{Begun: c.begun, At: Now(), Why: why, Detail: detail})
}
