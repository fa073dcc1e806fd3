package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"memvip/integration/bench/machine"
	"memvip/integration/lab"
)

// sliceLength is for how long contenders stand busy loops before they get fresh hosts.
const sliceLength = time.Minute

// slice is one stretch beside busy loops, on fresh hosts that nothing else happens to. Every move in it is a false one.
type slice struct {
	Contender string    `json:"contender"`
	Number    int       `json:"number"` // from 1
	Begun     time.Time `json:"begun"`
	Seconds   float64   `json:"seconds"`
	Load      float64   `json:"load_average_at_end"`

	Moves      int    `json:"moves"`            // changes of the host that announces a VIP by gratuitous ARP, all VIPs
	Flips      int    `json:"flips"`            // changes of the host that answers the open loop, all VIPs
	Gap        millis `json:"gap_ms"`           // the open loop's longest time without an answer through one VIP
	Stall      millis `json:"stall_ms"`         // the longest time that the machine held up the open loop itself
	Doubled    millis `json:"two_hosts_arp_ms"` // two hosts answered ARP, all VIPs
	Stale      int    `json:"stale_reads"`
	Operations int    `json:"operations"` // of the open loop
	Failed     int    `json:"failed"`     // of those
}

// stretches are how many slices of what length a time is made of.
func stretches(total time.Duration) (n int, each time.Duration) {
	each = min(total, sliceLength)
	if each == 0 {
		return 0, 0
	}
	return int((total + each - 1) / each), each
}

// runBurns goes through the slices that are not done yet. In each the contenders stand the same loops at the same time,
// on hosts of their own.
func (s *series) runBurns(ctx context.Context) error {
	n, each := stretches(s.set.burn)
	for number := 1; number <= n; number++ {
		if err := s.burnOnce(ctx, number, each); err != nil {
			return err
		}
	}
	return nil
}

func (r results) burned(contender string, number int) bool {
	for _, b := range r.Burns {
		if b.Contender == contender && b.Number == number {
			return true
		}
	}
	return false
}

// stand is a contender that is about to stand busy loops.
type stand struct {
	hosts   *site
	got     slice
	before  int // operations
	holders map[netip.Addr]string
}

// burnOnce measures one slice of every contender that has not stood it.
func (s *series) burnOnce(ctx context.Context, number int, length time.Duration) (err error) {
	var stands []*stand
	defer func() {
		for _, st := range stands {
			err = errors.Join(err, st.hosts.close())
		}
	}()
	for _, c := range s.set.burners {
		if s.found.burned(c.name, number) {
			continue
		}
		hosts, err := newSite(ctx, c, withConnector, s.set)
		if s.givesUp(c, err) {
			continue
		}
		if err != nil {
			return err
		}
		stands = append(stands, &stand{hosts: hosts, got: slice{Contender: c.name, Number: number, Seconds: length.Seconds()}})
	}
	if len(stands) == 0 {
		return nil
	}
	for _, st := range stands {
		st.hosts.mark()
		st.got.Begun = time.Now()
		st.before, st.holders = st.hosts.operations(), st.hosts.holders()
	}
	since := lab.Now()
	stop, err := stands[0].hosts.lab.Burn(2 * runtime.NumCPU())
	if err != nil {
		return err
	}
	defer stop()
	if err := last(ctx, length); err != nil {
		return err
	}
	until := lab.Now()
	stop()
	for _, st := range stands {
		st.got.Load = machine.Load()
		st.got.Operations = st.hosts.operations() - st.before
		st.hosts.seeBurn(since, until, st.holders, &st.got)
		if got := st.got; s.set.logs || st.hosts.contender.ours() && got.Moves+got.Flips+got.Failed > 0 {
			fmt.Fprint(s.progress, st.hosts.story(ctx))
		}
		s.found.Burns = append(s.found.Burns, st.got)
		fmt.Fprintf(s.progress, "%s: slice %d beside busy loops: %d false moves, longest gap %s ms, %d of %d failed\n",
			st.got.Contender, number, st.got.Moves, figure(st.got.Gap), st.got.Failed, st.got.Operations)
	}
	return s.keep()
}

// operations are the attempts of the open loop that have ended.
func (s *site) operations() int {
	n := 0
	for _, v := range s.lab.VIPs {
		t := s.open.Totals(v.Addr)
		n += t.Answers + t.Failures()
	}
	return n
}

// holders are the hosts that answer just now.
func (s *site) holders() map[netip.Addr]string {
	m := map[netip.Addr]string{}
	for _, v := range s.lab.VIPs {
		m[v.Addr], _, _ = s.open.Last(v.Addr)
	}
	return m
}

func (s *site) seeBurn(since, until lab.Instant, holders map[netip.Addr]string, got *slice) {
	for _, v := range s.lab.VIPs {
		r := lab.Measure(s.open, s.watch, v.Addr, since, until)
		got.Gap, got.Stall = max(got.Gap, inMillis(r.Gap)), max(got.Stall, inMillis(r.Stalled))
		got.Doubled += inMillis(r.Doubled)
		got.Failed += r.Failed
		got.Flips += max(0, len(s.open.Turns(v.Addr, since, until))-1)
		got.Moves += announcedMoves(s.watch.Announcements(v.Addr, since, until), holders[v.Addr])
	}
	for _, c := range s.clients() {
		got.Stale += len(c.Stale(since, until))
	}
}

// announcedMoves counts how often another host than the one before announces a VIP.
func announcedMoves(all []lab.Announcement, holder string) int {
	moves := 0
	for _, a := range all {
		if a.Host != holder {
			moves++
			holder = a.Host
		}
	}
	return moves
}

// strain is what the slices of one contender add up to.
type strain struct {
	slice
	slices int
}

// strains adds up, in the order of the contenders.
func (r results) strains() []strain {
	var all []strain
	for _, c := range contenders {
		sum := strain{slice: slice{Contender: c.name}}
		for _, b := range r.Burns {
			if b.Contender == c.name {
				sum.add(b)
			}
		}
		if sum.slices > 0 {
			all = append(all, sum)
		}
	}
	return all
}

func (s *strain) add(b slice) {
	s.slices++
	s.Seconds += b.Seconds
	s.Moves += b.Moves
	s.Flips += b.Flips
	s.Gap, s.Stall = max(s.Gap, b.Gap), max(s.Stall, b.Stall)
	s.Doubled += b.Doubled
	s.Stale += b.Stale
	s.Operations += b.Operations
	s.Failed += b.Failed
}
