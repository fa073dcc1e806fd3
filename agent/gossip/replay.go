package gossip

import "sync"

// replayGeneration is how many packets are remembered at least. Three nodes exchange about 60 packets
// a second, so this is more than two minutes of them; it costs some 400 kB. Only authentic packets
// count, so nobody without the key can make it forget by sending rubbish.
const replayGeneration = 8192

// replay remembers the nonces of authentic packets, the newest replayGeneration of them at least and
// twice as many at most. Nonces are random, so two packets with one nonce are one packet.
type replay struct {
	mu       sync.Mutex
	now, old map[[nonceBytes]byte]struct{}
}

// first reports whether a nonce is new, and remembers it.
func (r *replay) first(nonce [nonceBytes]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.now[nonce]; ok {
		return false
	}
	if _, ok := r.old[nonce]; ok {
		return false
	}
	if r.now == nil || len(r.now) == replayGeneration {
		r.now, r.old = make(map[[nonceBytes]byte]struct{}), r.now
	}
	r.now[nonce] = struct{}{}
	return true
}
