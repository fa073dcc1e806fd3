package flush

import (
	"fmt"
	"strings"
)

// Counter names a figure that moves only when a client uses an item. Probes with mn, stats and flush_all move none.
type Counter int

// The counters, by their names in stats.
const (
	CmdGet Counter = iota
	CmdSet
	CmdTouch
	GetHits
	GetMisses
	DeleteHits
	DeleteMisses
	IncrHits
	IncrMisses
	DecrHits
	DecrMisses
	CASHits
	CASMisses
	CASBadval
	TouchHits
	TouchMisses
	StoreTooLarge
	StoreNoMemory
	counterCount
)

var counterNames = [counterCount]string{
	CmdGet: "cmd_get", CmdSet: "cmd_set", CmdTouch: "cmd_touch",
	GetHits: "get_hits", GetMisses: "get_misses",
	DeleteHits: "delete_hits", DeleteMisses: "delete_misses",
	IncrHits: "incr_hits", IncrMisses: "incr_misses",
	DecrHits: "decr_hits", DecrMisses: "decr_misses",
	CASHits: "cas_hits", CASMisses: "cas_misses", CASBadval: "cas_badval",
	TouchHits: "touch_hits", TouchMisses: "touch_misses",
	StoreTooLarge: "store_too_large", StoreNoMemory: "store_no_memory",
}

func (c Counter) String() string {
	if c >= 0 && c < counterCount {
		return counterNames[c]
	}
	return fmt.Sprintf("counter(%d)", int(c))
}

// Counters holds one value per Counter. They are comparable: equal ones mean that no client came by, except that
// somebody sent stats reset and then did exactly as much as before.
type Counters [counterCount]uint64

// movedSince says in words which counters differ from earlier, or "" if none does.
func (c Counters) movedSince(earlier Counters) string {
	const namedMax = 3
	var moved []string
	for i := range c {
		if c[i] != earlier[i] {
			moved = append(moved, fmt.Sprintf("%v went from %d to %d", Counter(i), earlier[i], c[i]))
		}
	}
	if more := len(moved) - namedMax; more > 0 {
		moved = append(moved[:namedMax], fmt.Sprintf("%d more", more))
	}
	return strings.Join(moved, ", ")
}
