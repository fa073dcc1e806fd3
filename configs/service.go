package configs

import "time"

const exampleRestart = `a command and its arguments, such as ["systemctl", "restart", "memcached"]`

// readMemcached reads [memcached], the instance of every VIP without one of its own.
func readMemcached(t *table) Memcached {
	address, _ := t.addrPort("address")
	m := Memcached{Address: address, RestartCommand: t.argv("restart_command", exampleRestart)}
	if !t.has("address") && t.has("restart_command") {
		t.require("address", `the instance that restart_command restarts, such as "127.0.0.1:11211"`)
	}
	t.done()
	return m
}

// readHealth reads [health].
func readHealth(t *table) Health {
	before := len(t.problems.found)
	h := Health{
		Interval:      t.duration("interval", intervalSetting),
		Deadline:      t.duration("deadline", deadlineSetting),
		Fall:          t.integer("fall", fallSetting),
		Rise:          t.integer("rise", riseSetting),
		FreshInterval: t.duration("fresh_interval", freshIntervalSetting),
	}
	// A value that stands in for a bad one would only mislead when compared.
	if len(t.problems.found) == before {
		checkHealth(t, h)
	}
	t.done()
	return h
}

// checkHealth compares the values with each other. The message stands at whichever of the two keys the file
// has.
func checkHealth(t *table, h Health) {
	if h.Interval > h.FreshInterval {
		t.badPair("interval", "fresh_interval", h.Interval, h.FreshInterval)
	}
	if h.Deadline > h.FreshInterval {
		t.badPair("deadline", "fresh_interval", h.Deadline, h.FreshInterval)
	}
	const slow = 10 * time.Second
	if noticed := h.Interval + time.Duration(h.Fall)*max(h.Interval, h.Deadline); noticed > slow {
		t.problems.warn(t.at.line, t.name, "a memcached that hangs is noticed after %s only (interval + fall × the longer of interval and deadline)", short(noticed))
	}
}

// badPair reports that one duration must not exceed another.
func (t *table) badPair(low, high string, lowValue, highValue time.Duration) {
	if t.has(low) {
		t.bad(low, short(lowValue)+" is longer than "+high, "at most "+short(highValue)+", so that one probe ends before the next of its kind")
		return
	}
	t.bad(high, short(highValue)+" is shorter than "+low, "at least "+short(lowValue)+", so that one probe ends before the next of its kind")
}
