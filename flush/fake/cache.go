package fake

import "container/list"

// cache is the part of memcached that a flush is about. Ticks are seconds since the start, plus uptimeAtTickZero.
type cache struct {
	generation Generation
	items      map[string]*list.Element // of *item
	lru        *list.List               // newest first, by when they were stored
	cas        uint64
	oldest     int64  // Items last used at or before this tick are dead, once it is past.
	oldestCAS  uint64 // So are items stored before this one (Until1624).
	flushed    int64  // The tick of the newest flush.
}

type item struct {
	key, value string
	flags      string
	time       int64 // tick of the last use
	cas        uint64
}

func newCache(generation Generation) cache {
	return cache{generation: generation, items: map[string]*list.Element{}, lru: list.New()}
}

func (c *cache) set(now int64, key, flags, value string) {
	c.remove(key)
	c.cas++
	c.items[key] = c.lru.PushFront(&item{key: key, value: value, flags: flags, time: now, cas: c.cas})
}

// get uses an item, which makes it young without moving it in the list.
func (c *cache) get(now int64, key string) *item {
	element, ok := c.items[key]
	if !ok {
		return nil
	}
	found := element.Value.(*item)
	if c.dead(now, found) {
		c.remove(key)
		return nil
	}
	found.time = now
	return found
}

func (c *cache) remove(key string) bool {
	element, ok := c.items[key]
	if ok {
		c.lru.Remove(element)
		delete(c.items, key)
	}
	return ok
}

func (c *cache) dead(now int64, it *item) bool {
	if c.oldest == 0 || c.oldest > now {
		return false
	}
	return it.time <= c.oldest || it.cas < c.oldestCAS
}

// flush moves the boundary. There is only one: a later flush with a delay takes an earlier one back.
func (c *cache) flush(now, delay int64) {
	c.oldest = now + delay - 1
	c.flushed = now
	c.oldestCAS = 0
	if delay > 0 {
		return
	}
	switch c.generation {
	case Until1624:
		c.oldestCAS = c.cas + 1
	case Since1625:
		c.unlinkYoungest()
	}
}

// unlinkYoungest takes the list for sorted by last use, which reads have made untrue: it stops at the first old item.
func (c *cache) unlinkYoungest() {
	for e := c.lru.Front(); e != nil; e = c.lru.Front() {
		youngest := e.Value.(*item)
		if youngest.time <= c.oldest {
			return
		}
		c.remove(youngest.key)
	}
}

// reclaim frees what is dead.
func (c *cache) reclaim(now int64) {
	for key, element := range c.items {
		if c.dead(now, element.Value.(*item)) {
			c.remove(key)
		}
	}
}
