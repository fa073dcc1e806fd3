package gossip

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Keys change while packets come and go. What opens is this package's screen, before memberlist sees a byte. What seals
// core's messages is the first key of the same ring; memberlist seals its own with the first key of a ring that it has. A
// key is therefore known to memberlist before the screen lets anything pass that was sealed with it, and unknown to the
// screen before memberlist forgets it.

// ring is the keys of one instant, the sealing one first. It is never changed.
type ring []*ringKey

type ringKey struct {
	key    []byte
	aead   cipher.AEAD
	sealer cipher.AEAD                  // of the same key; puts a random nonce before what it seals
	heard  map[netip.Addr]*atomic.Int64 // when the newest came of what it opened, since epoch, 0 for never. The map never changes
}

// HeldKey is one of the keys that a node has, and how long ago each peer last sealed something with it that arrived;
// peers that never did since Start, or since the key came, are left out.
type HeldKey struct {
	Key   []byte
	Heard map[string]time.Duration
}

// checkKeys refuses what could not be a ring.
func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("no key")
	}
	for i, key := range keys {
		switch {
		case len(key) != keyBytes:
			return fmt.Errorf("key is %d bytes long, want %d", len(key), keyBytes)
		case slices.ContainsFunc(keys[:i], func(k []byte) bool { return bytes.Equal(k, key) }):
			return errors.New("one key is there twice")
		}
	}
	return nil
}

// newRing makes a ring, in which keys that were there before keep what was heard with them.
func newRing(keys [][]byte, before ring, peers []netip.Addr) (ring, error) {
	var r ring
	for _, key := range keys {
		if i := slices.IndexFunc(before, func(k *ringKey) bool { return bytes.Equal(k.key, key) }); i >= 0 {
			r = append(r, before[i])
			continue
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		sealer, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		k := &ringKey{key: bytes.Clone(key), aead: aead, sealer: sealer, heard: make(map[netip.Addr]*atomic.Int64, len(peers))}
		for _, peer := range peers {
			k.heard[peer] = new(atomic.Int64)
		}
		r = append(r, k)
	}
	return r, nil
}

// open tries every key, the sealing one first: there are more than one during a rotation only.
func (r ring) open(dst, nonce, sealed, authentic []byte) (content []byte, by *ringKey, err error) {
	for _, k := range r {
		if content, err = k.aead.Open(dst, nonce, sealed, authentic); err == nil {
			return content, k, nil
		}
	}
	return nil, nil, err
}

// note remembers that a peer has sealed with the key just now.
func (k *ringKey) note(from netip.Addr) {
	if heard := k.heard[from]; heard != nil {
		heard.Store(int64(max(1, time.Since(epoch))))
	}
}

// keyring changes the keys of a node.
type keyring struct {
	mu     sync.Mutex // of changes
	screen *screen
	peers  []netip.Addr
	seals  *memberlist.Keyring
}

// set takes up other keys: the first seals from now on, and all of them open.
func (r *keyring) set(keys [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := checkKeys(keys); err != nil {
		return err
	}
	next, err := newRing(keys, *r.screen.ring.Load(), r.peers)
	if err != nil {
		return err
	}
	for _, k := range next {
		if err := r.seals.AddKey(k.key); err != nil {
			return err
		}
	}
	r.screen.ring.Store(&next)
	if err := r.seals.UseKey(next[0].key); err != nil {
		return err
	}
	return r.trim(next)
}

// trim has memberlist forget keys from the end of its list, where the old key is after a rotation. Keys between others
// stay known to it, to no effect: nothing that was sealed with them passes the screen. To take one of those out,
// memberlist moves the others within a slice that it has given to readers.
func (r *keyring) trim(keep ring) error {
	for {
		known := r.seals.GetKeys()
		last := known[len(known)-1]
		if slices.ContainsFunc(keep, func(k *ringKey) bool { return bytes.Equal(k.key, last) }) {
			return nil
		}
		if err := r.seals.RemoveKey(last); err != nil {
			return err
		}
	}
}

// SetKeys takes up other keys, 32 bytes each, without a packet lost: the first seals what this node sends from now on, all
// of them open what comes in. Whether the others can open what it seals is the caller's business.
func (g *Gossip) SetKeys(keys [][]byte) error {
	if err := g.keys.set(keys); err != nil {
		return fmt.Errorf("gossip: set keys: %w", err)
	}
	return nil
}

// Keys returns the keys of now, the sealing one first.
func (g *Gossip) Keys() []HeldKey {
	var out []HeldKey
	for _, k := range *g.transport.screen.ring.Load() {
		held := HeldKey{Key: bytes.Clone(k.key), Heard: map[string]time.Duration{}}
		for name, addr := range g.opts.Peers {
			if at := k.heard[addr].Load(); at > 0 {
				held.Heard[name] = time.Since(epoch) - time.Duration(at)
			}
		}
		out = append(out, held)
	}
	return out
}
