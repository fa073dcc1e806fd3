package fake

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// clientCounters are the figures of stats that clients move, apart from the ones listed by hand below.
var clientCounters = []string{
	"cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "cmd_meta", "get_hits", "get_misses", "get_expired", "get_flushed",
	"delete_misses", "delete_hits", "incr_misses", "incr_hits", "decr_misses", "decr_hits", "cas_misses", "cas_hits",
	"cas_badval", "touch_hits", "touch_misses", "store_too_large", "store_no_memory",
}

func (s *Server) stats(words []string) string {
	switch strings.Join(words, " ") {
	case "":
		return s.general()
	case "settings":
		return s.settings()
	case "conns":
		return s.connections()
	case "reset":
		s.counts = map[string]uint64{}
		return "RESET\r\n"
	}
	return "ERROR\r\n"
}

func (s *Server) general() string {
	if !s.opts.NoMaintainer && s.now()-s.cache.flushed >= int64(s.opts.ReclaimAfter/time.Second) {
		s.cache.reclaim(s.now())
	}
	var b strings.Builder
	stat := func(name string, value any) { fmt.Fprintf(&b, "STAT %s %v\r\n", name, value) }
	stat("pid", s.pid)
	stat("uptime", s.uptime())
	// As in memcached, the clock is the start's, so that time less uptime stays the same.
	stat("time", s.started.Unix()+s.uptime())
	stat("version", s.version())
	stat("max_connections", 1024)
	stat("curr_connections", len(s.conns))
	stat("total_connections", s.accepted)
	for _, name := range clientCounters {
		stat(name, s.counts[name])
	}
	stat("threads", s.opts.Threads)
	stat("lru_crawler_running", 0)
	stat("listen_disabled_num", 0)
	stat("evictions", 0)
	stat("limit_maxbytes", 64<<20)
	stat("curr_items", len(s.cache.items))
	stat("total_items", s.counts["total_items"])
	return b.String() + "END\r\n"
}

func (s *Server) settings() string {
	var b strings.Builder
	stat := func(name string, value any) { fmt.Fprintf(&b, "STAT %s %v\r\n", name, value) }
	stat("maxconns", 1024)
	stat("oldest", s.cache.oldest)
	stat("num_threads", s.opts.Threads)
	stat("cas_enabled", "yes")
	stat("flush_enabled", yesNo(!s.opts.NoFlush))
	stat("lru_crawler", yesNo(!s.opts.NoCrawler))
	stat("memory_file", cmp.Or(s.opts.MemoryFile, "(null)"))
	return b.String() + "END\r\n"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (s *Server) connections() string {
	var b strings.Builder
	const firstListenerFD = 2
	for i, listener := range s.listeners {
		fd := firstListenerFD + i
		fmt.Fprintf(&b, "STAT %d:addr %s\r\nSTAT %d:state conn_listening\r\n", fd, connText(addrPort(listener.Addr())), fd)
	}
	for _, fd := range slices.Sorted(maps.Keys(s.conns)) {
		conn := s.conns[fd]
		fmt.Fprintf(&b, "STAT %d:addr %s\r\nSTAT %d:listen_addr %s\r\n", fd, connText(conn.peer), fd, connText(conn.local))
		fmt.Fprintf(&b, "STAT %d:state conn_read\r\nSTAT %d:secs_since_last_cmd 0\r\n", fd, fd)
	}
	return b.String() + "END\r\n"
}

func connText(addr netip.AddrPort) string {
	switch {
	case !addr.IsValid():
		return "?:<AF 0>"
	case addr.Addr().Is6():
		return "tcp6:" + addr.String()
	}
	return "tcp:" + addr.String()
}
