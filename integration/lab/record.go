package lab

import (
	"fmt"
	"net/netip"
	"sort"
	"sync"
	"time"
)

// Failure says how an attempt ended without an answer.
type Failure uint8

const (
	// FailureTimeout: no answer in time.
	FailureTimeout Failure = iota
	// FailureRefused: the host is there, nothing listens (connection refused).
	FailureRefused
	// FailureReset: the connection was reset.
	FailureReset
	// FailureClosed: the server closed the connection.
	FailureClosed
	// FailureUnreachable: no route, or nobody answered ARP.
	FailureUnreachable
	// FailureBadReply: an answer, but not one to the question; a full server's refusal is one.
	FailureBadReply
	failureKinds
)

func (f Failure) String() string {
	switch f {
	case FailureTimeout:
		return "timeout"
	case FailureRefused:
		return "refused"
	case FailureReset:
		return "reset"
	case FailureClosed:
		return "closed"
	case FailureUnreachable:
		return "unreachable"
	case FailureBadReply:
		return "bad reply"
	}
	return fmt.Sprintf("failure(%d)", uint8(f))
}

// Server is one memcached process that answered.
type Server struct {
	Host string // "" if no host of the lab runs this process
	PID  int
}

// Answer is one attempt that was answered.
type Answer struct {
	Sent, At Instant // when the request was written, when its answer was read
	server   int32   // index into Record.servers
}

// Failed is one attempt that was not.
type Failed struct {
	Begun, At Instant
	Why       Failure
	Detail    string // the server's words, for FailureBadReply
}

// StaleRead is one read that broke the first promise.
type StaleRead struct {
	VIP       netip.Addr
	At        Instant
	Host      string
	Key       string
	Got       uint64 // the version returned
	Confirmed uint64 // the newest version acknowledged before the read was sent
	Alien     bool   // Got was never written to this key at all
}

func (s StaleRead) String() string {
	if s.Alien {
		return fmt.Sprintf("%s %s: %s at %s: version %d was never written", s.At, s.VIP, s.Key, s.Host, s.Got)
	}
	return fmt.Sprintf("%s %s: %s at %s: version %d after %d was acknowledged", s.At, s.VIP, s.Key, s.Host, s.Got, s.Confirmed)
}

// Stall is a stretch in which the client itself did not run, though it should have.
type Stall struct {
	At     Instant // when it ran again
	Length time.Duration
}

// Record is what a client saw. It grows by about 24 bytes for each answer; Forget trims it. All methods may
// be called at any time, while the client runs and after.
type Record struct {
	mu      sync.Mutex
	vips    []vipRecord
	index   map[netip.Addr]int
	servers []Server
	stalls  []Stall
	waiters []*waiter
}

type vipRecord struct {
	addr    netip.Addr
	answers []Answer // Invariant: ordered by At
	failed  []Failed // Invariant: ordered by At
	stale   []StaleRead
	total   Counts
	turned  Instant // when the answering host last changed
}

// Counts is how many attempts ended how.
type Counts struct {
	Answers, Hits, Misses, Writes int
	Stale                         int
	Failed                        [failureKinds]int // by Failure
}

// Failures is the number of attempts without an answer.
func (c Counts) Failures() int {
	n := 0
	for _, k := range c.Failed {
		n += k
	}
	return n
}

func newRecord(vips []netip.Addr) *Record {
	r := &Record{index: make(map[netip.Addr]int, len(vips))}
	for i, addr := range vips {
		r.vips = append(r.vips, vipRecord{addr: addr})
		r.index[addr] = i
	}
	return r
}

// at finds a VIP's record. A VIP that the client does not drive is a mistake of the caller's.
func (r *Record) at(vip netip.Addr) *vipRecord {
	i, ok := r.index[vip]
	if !ok {
		panic(fmt.Sprintf("lab: no client drives %s", vip))
	}
	return &r.vips[i]
}

func (r *Record) host(server int32) string { return r.servers[server].Host }

// hostNamed is host for callers without the lock.
func (r *Record) hostNamed(server int32) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.host(server)
}

// server finds or adds the process.
func (r *Record) server(s Server) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.servers {
		if r.servers[i] == s {
			return int32(i)
		}
	}
	r.servers = append(r.servers, s)
	return int32(len(r.servers) - 1)
}

// answered books an answer.
func (r *Record) answered(vip int, a Answer, c command, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.vips[vip]
	if n := len(p.answers); n == 0 || p.answers[n-1].server != a.server && r.host(p.answers[n-1].server) != r.host(a.server) {
		p.turned = a.At
	}
	p.answers = append(p.answers, a)
	p.total.Answers++
	switch {
	case c != commandGet:
		p.total.Writes++
	case v == verdictMiss:
		p.total.Misses++
	default:
		p.total.Hits++
	}
}

func (r *Record) failed(vip int, f Failed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.vips[vip]
	p.failed = append(p.failed, f)
	p.total.Failed[f.Why]++
}

func (r *Record) sawStale(vip int, s StaleRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.vips[vip]
	s.VIP = p.addr
	p.stale = append(p.stale, s)
	p.total.Stale++
}

func (r *Record) stalled(s Stall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalls = append(r.stalls, s)
}

// Totals counts everything since the client started, whatever was forgotten.
func (r *Record) Totals(vip netip.Addr) Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at(vip).total
}

// Stale lists the stale reads within [since, until], of every VIP, oldest first.
func (r *Record) Stale(since, until Instant) []StaleRead {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []StaleRead
	for i := range r.vips {
		for _, s := range r.vips[i].stale {
			if s.At >= since && s.At <= until {
				all = append(all, s)
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].At < all[j].At })
	return all
}

// Failures lists the attempts through a VIP that failed within [since, until].
func (r *Record) Failures(vip netip.Addr, since, until Instant) []Failed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []Failed
	for _, f := range r.at(vip).failed {
		if f.At >= since && f.At <= until {
			some = append(some, f)
		}
	}
	return some
}

// Stalls lists when the client itself was held up for 5 ms or more within [since, until]: an outage
// of about that length, then, may be the machine's.
func (r *Record) Stalls(since, until Instant) []Stall {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []Stall
	for _, s := range r.stalls {
		if s.At >= since && s.At <= until {
			some = append(some, s)
		}
	}
	return some
}

// Last is the newest answer through a VIP: who gave it, and when. It reports false before the first.
func (r *Record) Last(vip netip.Addr) (host string, at Instant, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last(r.at(vip))
}

func (r *Record) last(p *vipRecord) (host string, at Instant, ok bool) {
	if len(p.answers) == 0 {
		return "", 0, false
	}
	a := p.answers[len(p.answers)-1]
	return r.host(a.server), a.At, true
}

// Forget drops what happened before the given instant, but for the newest answer of each VIP.
func (r *Record) Forget(before Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.vips {
		p := &r.vips[i]
		keep := sort.Search(len(p.answers), func(n int) bool { return p.answers[n].At >= before })
		p.answers = append([]Answer(nil), p.answers[max(0, keep-1):]...)
		keep = sort.Search(len(p.failed), func(n int) bool { return p.failed[n].At >= before })
		p.failed = append([]Failed(nil), p.failed[keep:]...)
	}
}
