package sim

// key is what the world knows of one key of a VIP. One client writes it, so that its versions have an
// order; everybody reads it.
type key struct {
	issued int   // highest version that may exist
	floor  int   // a read that begins now and finds an older version is stale
	done   int   // newest version that was executed anywhere
	late   int64 // when memcached last executed a write after a newer one, by no fault of ours
}

// newKeys gives every key a history: version 0, which the memcacheds hold at the beginning, is old.
func newKeys() []key {
	keys := make([]key, keysPerVIP)
	for i := range keys {
		keys[i] = key{issued: 1, floor: 1}
	}
	return keys
}

// execute notes that memcached did a write. One that is older than another it did before is nobody's fault but
// the client's, if the instance has been the VIP's only server since it accepted the connection.
func (k *key) execute(version int, now int64, served bool) {
	if version < k.done && served {
		k.late, k.floor = now, min(k.floor, version)
	}
	k.done = max(k.done, version)
}

// outdate notes that memcached dropped what was acknowledged up to a version: who writes that or an older one now
// sent it before.
func (k *key) outdate(version int) { k.done = max(k.done, version+1) }

// raise notes that an operation was acknowledged: nothing older may be read from now on, unless memcached
// wrote something older after it had executed the operation.
func (k *key) raise(o *op, version int) {
	if o.executed > k.late {
		k.floor = max(k.floor, version)
	}
	k.issued = max(k.issued, version)
}

type verb uint8

const (
	get verb = iota
	set
	remove
	increment
	flushAll
)

func (v verb) String() string { return [...]string{"get", "set", "delete", "incr", "flush_all"}[v] }

// op is one operation of a client.
type op struct {
	client   *client
	vip      int
	key      int
	verb     verb
	version  int   // set: of the value; delete and flush_all: floor once acknowledged; incr: the number answered
	floors   []int // of the VIP's keys, when a flush_all began
	floor    int   // get: when it began
	hit      bool
	conn     *conn // nil until accepted
	over     bool  // the client has its answer or has given up
	tries    int
	began    int64
	executed int64
	received bool // the host's kernel has it
}
