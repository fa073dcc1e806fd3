package fake

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Ticks count from here, and a process that has just started has an uptime of two.
const (
	uptimeAtTickZero = 60
	uptimeAtStart    = 2
)

func (s *Server) uptime() int64 { return uptimeAtStart + int64(time.Since(s.started)/time.Second) }

func (s *Server) now() int64 { return s.uptime() + uptimeAtTickZero }

// obey carries one command out and returns the whole reply. What it does not know it refuses, as memcached does.
func (s *Server) obey(line string, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	words := strings.Fields(line)
	if len(words) == 0 {
		return "ERROR\r\n"
	}
	s.counts["command "+words[0]]++
	switch {
	case s.reply != "":
		return s.reply
	case s.opts.Login:
		return "CLIENT_ERROR unauthenticated\r\n"
	}
	switch words[0] {
	case "mn":
		return "MN\r\n"
	case "version":
		return "VERSION " + s.version() + "\r\n"
	case "get":
		return s.get(words[1:])
	case "set":
		return s.set(words[1:], data)
	case "delete":
		return s.delete(words[1:])
	case "touch":
		return s.touch(words[1:])
	case "flush_all":
		return s.flush(words[1:])
	case "lru_crawler":
		return s.crawl(words[1:])
	case "stats":
		return s.stats(words[1:])
	}
	return "ERROR\r\n"
}

func (s *Server) version() string {
	if s.opts.Generation == Since1625 {
		return "1.6.45"
	}
	return "1.6.18"
}

func (s *Server) get(keys []string) string {
	var reply strings.Builder
	for _, key := range keys {
		s.counts["cmd_get"]++
		found := s.cache.get(s.now(), key)
		if found == nil {
			s.counts["get_misses"]++
			continue
		}
		s.counts["get_hits"]++
		fmt.Fprintf(&reply, "VALUE %s %s %d\r\n%s\r\n", key, found.flags, len(found.value), found.value)
	}
	return reply.String() + "END\r\n"
}

func (s *Server) set(words []string, data []byte) string {
	if len(words) != 4 {
		return "ERROR\r\n"
	}
	value, ok := strings.CutSuffix(string(data), "\r\n")
	if size, err := strconv.Atoi(words[3]); err != nil || !ok || len(value) != size {
		return "CLIENT_ERROR bad data chunk\r\n"
	}
	s.counts["cmd_set"]++
	s.counts["total_items"]++
	s.cache.set(s.now(), words[0], words[1], value)
	return "STORED\r\n"
}

func (s *Server) delete(words []string) string {
	if len(words) != 1 {
		return "ERROR\r\n"
	}
	if s.cache.remove(words[0]) {
		s.counts["delete_hits"]++
		return "DELETED\r\n"
	}
	s.counts["delete_misses"]++
	return "NOT_FOUND\r\n"
}

func (s *Server) touch(words []string) string {
	if len(words) != 2 {
		return "ERROR\r\n"
	}
	s.counts["cmd_touch"]++
	if s.cache.get(s.now(), words[0]) == nil {
		s.counts["touch_misses"]++
		return "NOT_FOUND\r\n"
	}
	s.counts["touch_hits"]++
	return "TOUCHED\r\n"
}

func (s *Server) flush(words []string) string {
	s.counts["cmd_flush"]++ // A refused one counts too.
	delay := int64(0)
	if len(words) > 0 {
		seconds, err := strconv.ParseInt(words[0], 10, 32)
		if err != nil {
			return "CLIENT_ERROR invalid exptime argument\r\n"
		}
		delay = max(0, seconds)
	}
	if s.opts.NoFlush {
		return "CLIENT_ERROR flush_all not allowed\r\n"
	}
	s.cache.flush(s.now(), delay)
	return "OK\r\n"
}

func (s *Server) crawl(words []string) string {
	switch {
	case s.opts.NoCrawler:
		return "CLIENT_ERROR lru crawler disabled\r\n"
	case strings.Join(words, " ") != "crawl all":
		return "ERROR\r\n"
	}
	s.cache.reclaim(s.now())
	return "OK\r\n"
}
