package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// WatchOptions says how a watcher behaves.
type WatchOptions struct {
	// Interval is how often every host is asked by ARP for every VIP; 10 ms if zero, never if negative. Two hosts that
	// answer for one address for less than two intervals may go unseen.
	Interval time.Duration
}

// Announcement is one gratuitous ARP.
type Announcement struct {
	At   Instant
	VIP  netip.Addr
	Host string // "" if the sender is no host of the lab
	MAC  string
}

// Watcher listens to ARP on the switch, and asks. It sits in a namespace of its own, so that its questions do not
// teach the client's kernel where an address has gone, and asks each host by its own hardware
// address, so that the others are not woken.
type Watcher struct {
	lab     *Lab
	vips    []netip.Addr
	hosts   []*Host
	file    *os.File
	cancel  context.CancelFunc
	running sync.WaitGroup
	once    sync.Once

	mu        sync.Mutex
	announced []Announcement // in order
	present   [][]presence   // by VIP, then host
	changed   chan struct{}  // closed and replaced at every announcement
	failed    error
}

// StartWatcher starts a watcher beside the client. It ends with Watcher.Close or with the lab.
func (l *Lab) StartWatcher(o WatchOptions) (*Watcher, error) {
	setDefault(&o.Interval, 10*time.Millisecond)
	w := &Watcher{lab: l, vips: l.Addrs(), hosts: l.Hosts, changed: make(chan struct{})}
	for range w.vips {
		w.present = append(w.present, make([]presence, len(w.hosts)))
	}
	if err := w.listen(l.watch); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.running.Add(1)
	go w.read(ctx)
	if o.Interval > 0 {
		w.running.Add(1)
		go w.ask(ctx, o.Interval)
	}
	l.onClose(func() { _ = w.Close() })
	return w, nil
}

// listen opens a packet socket that gets every ARP frame with the time of its arrival.
func (w *Watcher) listen(n *node) error {
	eth0, err := n.eth0()
	if err != nil {
		return err
	}
	err = inNamespace(int(n.ns), func() error {
		protocol := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, etherARP))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		w.file = os.NewFile(uintptr(fd), "arp")
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: eth0.Attrs().Index})
	})
	if err != nil {
		if w.file != nil {
			w.file.Close()
		}
		return fmt.Errorf("lab: watch ARP: %w", err)
	}
	return nil
}

// Close ends the watcher. What it saw can be read on. It returns the error that ended it before its
// time, if one did.
func (w *Watcher) Close() error {
	w.once.Do(func() {
		w.cancel()
		w.file.Close()
	})
	w.running.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// read takes frames until the socket is closed.
func (w *Watcher) read(ctx context.Context) {
	defer w.running.Done()
	raw, err := w.file.SyscallConn()
	if err != nil {
		w.fail(err)
		return
	}
	frame, control := make([]byte, 256), make([]byte, 256)
	for {
		var n, cn int
		var got error
		err := raw.Read(func(fd uintptr) bool {
			n, cn, _, _, got = unix.Recvmsg(int(fd), frame, control, 0)
			return !errors.Is(got, unix.EAGAIN)
		})
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(got, unix.EINTR):
		case err != nil || got != nil:
			w.fail(errors.Join(err, got))
			return
		default:
			if f, ok := parseARP(frame[:n]); ok {
				w.saw(f, arrival(control[:cn]))
			}
		}
	}
}

// arrival is when the kernel took the frame, on the lab's clock. The stamp is of the wall clock, so only its age
// counts.
func arrival(control []byte) Instant {
	now, wall := Now(), time.Now().UnixNano()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))
			if age := time.Duration(wall - sec*int64(time.Second) - nsec); age > 0 && age < time.Minute {
				return now.Add(-age)
			}
		}
	}
	return now
}

// saw books one frame.
func (w *Watcher) saw(f arpFrame, at Instant) {
	vip := w.vipNumber(f.senderIP)
	if vip < 0 {
		return
	}
	name := w.lab.hostOfMAC(f.senderMAC)
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.gratuitous() {
		w.announced = append(w.announced, Announcement{At: at, VIP: f.senderIP, Host: name, MAC: macString(f.senderMAC)})
		close(w.changed)
		w.changed = make(chan struct{})
		return
	}
	if f.op != arpReply {
		return
	}
	for i, h := range w.hosts {
		if h.Name == name {
			w.present[vip][i].answered(at)
		}
	}
}

func (w *Watcher) vipNumber(addr netip.Addr) int {
	for i, v := range w.vips {
		if v == addr {
			return i
		}
	}
	return -1
}

func (w *Watcher) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = fmt.Errorf("lab: watch ARP: %w", err)
	}
}

// ask sends a round of questions at every tick: each VIP, to each host.
func (w *Watcher) ask(ctx context.Context, every time.Duration) {
	defer w.running.Done()
	raw, err := w.file.SyscallConn()
	if err != nil {
		w.fail(err)
		return
	}
	questions := w.questions()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.beginRound()
		for _, q := range questions {
			if err := send(raw, q); err != nil && ctx.Err() == nil && !errors.Is(err, unix.ENOBUFS) {
				w.fail(err)
				return
			}
		}
	}
}

// beginRound notes the time before the first question leaves, so that no answer can seem to come before it.
func (w *Watcher) beginRound() {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := Now()
	for v := range w.present {
		for h := range w.present[v] {
			w.present[v][h].asked(at)
		}
	}
}

func (w *Watcher) questions() [][]byte {
	me, myMAC := labAddr(8), portMAC(8)
	var all [][]byte
	for _, vip := range w.vips {
		for _, h := range w.hosts {
			f := arpFrame{
				to: portMAC(int(h.Addr.As4()[3])), from: myMAC, op: arpRequest,
				senderMAC: myMAC, senderIP: me, targetIP: vip,
			}
			all = append(all, f.append(nil))
		}
	}
	return all
}

func send(raw syscall.RawConn, frame []byte) error {
	var got error
	err := raw.Write(func(fd uintptr) bool {
		_, got = unix.Write(int(fd), frame)
		return !errors.Is(got, unix.EAGAIN)
	})
	return errors.Join(err, got)
}

// Announcements lists the gratuitous ARPs for a VIP within [since, until].
func (w *Watcher) Announcements(vip netip.Addr, since, until Instant) []Announcement {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some []Announcement
	for _, a := range w.announced {
		if a.VIP == vip && a.At >= since && a.At <= until {
			some = append(some, a)
		}
	}
	return some
}

// FirstAnnouncement is the first gratuitous ARP for a VIP after an instant that some other host than the one
// named sent; "" excludes none. It reports false if there was none yet.
func (w *Watcher) FirstAnnouncement(vip netip.Addr, since Instant, notBy string) (Announcement, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first(vip, since, notBy)
}

func (w *Watcher) first(vip netip.Addr, since Instant, notBy string) (Announcement, bool) {
	for _, a := range w.announced {
		if a.VIP == vip && a.At >= since && (notBy == "" || a.Host != notBy) {
			return a, true
		}
	}
	return Announcement{}, false
}

// WaitAnnounced waits for what FirstAnnouncement returns.
func (w *Watcher) WaitAnnounced(ctx context.Context, vip netip.Addr, since Instant, notBy string) (Announcement, error) {
	for {
		w.mu.Lock()
		a, ok := w.first(vip, since, notBy)
		changed, failed := w.changed, w.failed
		w.mu.Unlock()
		if ok || failed != nil {
			return a, failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return a, fmt.Errorf("lab: want %s announced by another host than %q: %w", vip, notBy, ErrNotInTime)
		}
	}
}

// Answering lists the hosts that answered ARP for a VIP in the newest round or the one before it.
func (w *Watcher) Answering(vip netip.Addr) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for i, p := range w.present[w.vipNumber(vip)] {
		if n := len(p.stretches); n > 0 && len(p.rounds)-1-p.stretches[n-1].round <= 1 {
			names = append(names, w.hosts[i].Name)
		}
	}
	return names
}

// Doubled is how long, within [since, until], two hosts or more certainly answered ARP for a VIP: a
// lower bound, exact to two intervals.
func (w *Watcher) Doubled(vip netip.Addr, since, until Instant) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lists [][]stretch
	for _, p := range w.present[w.vipNumber(vip)] {
		lists = append(lists, p.stretches)
	}
	return overlap(lists, since, until)
}

// Forget drops what happened before the given instant.
func (w *Watcher) Forget(before Instant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []Announcement
	for _, a := range w.announced {
		if a.At >= before {
			left = append(left, a)
		}
	}
	w.announced = left
	for v := range w.present {
		for h := range w.present[v] {
			w.present[v][h].forget(before)
		}
	}
}
