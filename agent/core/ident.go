package core

import (
	"cmp"
	"fmt"
	"time"
)

// Instant is a reading of CLOCK_BOOTTIME in nanoseconds. Instants of two hosts are never compared.
type Instant int64

// Add returns the instant d later.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub returns the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

func (t Instant) String() string { return time.Duration(t).String() }

// never is later than every instant a clock will read.
const never = Instant(1<<63 - 1)

// Name is what a lease is for: a VIP's address in text, or HandbackSlot.
type Name string

// HandbackSlot is the one leased name that is no address: its holder may bring one VIP home, so that
// caches do not go cold together. It has no taint and no record of service.
const HandbackSlot Name = "handback"

// numberMax bounds epochs and start numbers that are believed: the next one must not overflow, whoever
// sent this one.
const numberMax = 1 << 62

// Claimant says who speaks: a node's name, the host boot it runs in, and its start number. Two hosts
// with one name differ in Boot (F6); two lives of one agent differ in Start (F15).
type Claimant struct {
	Node  string
	Boot  string
	Start uint64
}

// Request numbers one claim of a claimant. Requests of one node are ordered; those of two are not.
type Request struct {
	Start   uint64
	Counter uint64
}

// Compare orders the requests of one node: by start number, then by counter (F15).
func (r Request) Compare(o Request) int {
	return cmp.Or(cmp.Compare(r.Start, o.Start), cmp.Compare(r.Counter, o.Counter))
}

func (r Request) String() string { return fmt.Sprintf("%d.%d", r.Start, r.Counter) }

// Term names one fresh acquisition of a name. The epoch grows with every acquisition a majority
// recorded and so orders history; the random id tells two terms of one epoch apart (F7).
type Term struct {
	Epoch uint64
	Node  string
	ID    uint64
}

// Known reports whether t names an acquisition at all.
func (t Term) Known() bool { return t.Epoch != 0 }

func (t Term) String() string {
	if !t.Known() {
		return "none"
	}
	return fmt.Sprintf("%d/%s/%04x", t.Epoch, t.Node, t.ID&0xffff)
}

// Incarnation is one life of a memcached process: its pid and when it started, in seconds of its
// host's wall clock as memcached itself reports them. Pids repeat; pairs do not.
type Incarnation struct {
	PID   int
	Start int64
}

// Proof is the certificate of an empty instance: its figures right after they proved emptiness, and
// the terms its node knew before the flush was sent. It is void when the figures change.
type Proof struct {
	Incarnation
	Oldest     int64
	TotalItems uint64
	Restart    bool // proved by a restart with no memory kept: good for every term
}

// given reports whether there is a proof at all: every process has a pid.
func (p *Proof) given() bool { return p.PID != 0 }
