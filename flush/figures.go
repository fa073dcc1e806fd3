package flush

import (
	"fmt"
	"strconv"

	"memvip/flush/memcached"
)

// Figures is what an instance says about itself at one moment.
type Figures struct {
	PID int
	// Start is time minus uptime, in seconds since 1970: constant for one process, and also across a restart that
	// kept its memory (-e).
	Start int64
	// Uptime is in the server's ticks of one second.
	Uptime int64
	// Oldest is the boundary of the newest flush, in ticks: what was last used at or before it is dead. A plain
	// flush_all sets it to the present tick or the one before; one with a delay sets it ahead.
	Oldest     int64
	CurrItems  uint64 // physically present, dead or alive: 0 means that nothing can come back
	TotalItems uint64 // stored since the start, or since stats reset
	Counters   Counters

	MemoryFile   bool // a restart may keep the items (-e), or the server does not say
	FlushEnabled bool // false with -F
	Version      string
	Threads      int // worker threads
	CurrConns    int
	MaxConns     int
	Crawling     bool   // the crawler is at work
	TotalConns   uint64 // connections that worker threads have taken up since the start
}

// uptimeAtTickZero is what memcached adds to uptime for the clock that items and Oldest are measured by.
const uptimeAtTickZero = 60

// now is the present tick, comparable with Oldest.
func (f Figures) now() int64 { return f.Uptime + uptimeAtTickZero }

// DelayedFlushPending tells whether a flush_all with a delay has not yet taken effect.
func (f Figures) DelayedFlushPending() bool { return f.Oldest > f.now() }

// EmptyAtStart is the restart proof's second half, besides a new pid: nothing is in the process or ever was, and
// nothing was kept from an earlier one.
func (f Figures) EmptyAtStart() bool {
	return !f.MemoryFile && f.CurrItems == 0 && f.TotalItems == 0
}

// sameProcess tells whether both figures are of one life of one process.
func (f Figures) sameProcess(pid int, start int64) bool { return f.PID == pid && f.Start == start }

func parseFigures(stats, settings map[string]string) (Figures, error) {
	general, fixed := reader{from: stats}, reader{from: settings}
	uptime := general.count("uptime")
	f := Figures{
		PID:        int(general.count("pid")),
		Start:      int64(general.count("time")) - int64(uptime),
		Uptime:     int64(uptime),
		CurrItems:  general.count("curr_items"),
		TotalItems: general.count("total_items"),
		CurrConns:  int(general.count("curr_connections")),
		TotalConns: general.count("total_connections"),
		Version:    general.word("version"),
		Threads:    int(fixed.count("num_threads")),
		MaxConns:   int(fixed.count("maxconns")),
		Oldest:     int64(fixed.count("oldest")),
		// A server that does not know this setting may keep items in a way of its own.
		MemoryFile:   fixed.from["memory_file"] != "(null)",
		FlushEnabled: fixed.word("flush_enabled") == "yes",
		Crawling:     general.from["lru_crawler_running"] == "1",
	}
	for i := range f.Counters {
		f.Counters[i] = general.counter(Counter(i))
	}
	if err := general.err; err != nil {
		return Figures{}, err
	}
	return f, fixed.err
}

// reader keeps the first error, so that the parsing above reads as the table it is.
type reader struct {
	from map[string]string
	err  error
}

func (r *reader) word(name string) string {
	value, ok := r.from[name]
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: %s is missing", memcached.ErrFormat, name)
	}
	return value
}

func (r *reader) count(name string) uint64 {
	text := r.word(name)
	// Half of the range: sums and signed forms of it stay valid.
	value, err := strconv.ParseUint(text, 10, 62)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %s: want a count, got %.40q", memcached.ErrFormat, name, text)
	}
	return value
}

// counter takes one that older versions lack for zero, except for those that every version has.
func (r *reader) counter(c Counter) uint64 {
	if _, ok := r.from[c.String()]; !ok && c > GetMisses {
		return 0
	}
	return r.count(c.String())
}
