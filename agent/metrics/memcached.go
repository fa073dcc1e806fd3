package metrics

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"memvip/flush/memcached"
)

const (
	// statsPatience bounds how long one memcached is waited for.
	statsPatience = 500 * time.Millisecond
	// statsEvery is the least time between two questions to one memcached, however many ask for metrics.
	statsEvery = time.Second
)

// cache is one memcached, with a connection that is kept from one question to the next: a server that has no connection
// left could not be asked otherwise, and that is when its figures are wanted.
type cache struct {
	ctx     context.Context
	name    string
	address netip.AddrPort
	dial    func(context.Context, netip.AddrPort) (*memcached.Conn, error)

	mu    sync.Mutex
	conn  *memcached.Conn // nil: none
	last  figures
	asked time.Time // when it last answered, or did not
}

// figures are what a memcached says of itself, by name; nil: it did not.
type figures map[string]string

// newFigures asks for the figures, and delivers them once: none if that cannot be done.
func newFigures(c *cache) chan figures {
	answer := make(chan figures, 1)
	go func() {
		var told figures
		defer func() {
			_ = recover() // or the process would end with its addresses up; that nothing is told is seen
			answer <- told
		}()
		told = c.figures()
	}()
	return answer
}

func (c *cache) figures() figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked.IsZero() && time.Since(c.asked) < statsEvery {
		return c.last
	}
	ctx, cancel := context.WithTimeout(c.ctx, statsPatience)
	defer cancel()
	c.last = c.ask(ctx)
	c.asked = time.Now()
	return c.last
}

// ask tries a kept connection first. One that has ended meanwhile says nothing of the server.
func (c *cache) ask(ctx context.Context) figures {
	for kept := c.conn != nil; ; kept = false {
		if c.conn == nil {
			conn, err := c.dial(ctx, c.address)
			if err != nil {
				return nil
			}
			c.conn = conn
		}
		told, err := c.conn.Stats(ctx, "")
		if err == nil {
			return told
		}
		c.hangUp()
		if !kept || ctx.Err() != nil {
			return nil
		}
	}
}

func (c *cache) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing was to be kept
		c.conn = nil
	}
}

// close ends the connection.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangUp()
}

// statNames are the figures that are told, by their names in stats.
var statNames = map[string]*Family{
	"get_hits": cacheHits, "get_misses": cacheMisses, "evictions": cacheEvictions, "listen_disabled_num": cacheDisabled,
	"curr_connections": cacheConns, "max_connections": cacheConnsMax, "curr_items": cacheItems,
	"bytes": cacheBytes, "limit_maxbytes": cacheBytesMax, "uptime": cacheUptime,
}

// collectCache tells what a memcached said; what an old one does not know is left out.
func (c *collection) collectCache(name string, told figures) {
	c.flag(statsUp, told != nil, name)
	for stat, family := range statNames {
		if value, err := strconv.ParseUint(told[stat], 10, 64); err == nil {
			c.put(family, float64(value), name)
		}
	}
}
