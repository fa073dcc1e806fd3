package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"sync/atomic"

	"github.com/hashicorp/memberlist"
)

// What this file knows of memberlist's framing, which it neither documents nor exports. The tests
// hold it against packets of the real thing.
//
//	packet: 244, label length, label, sealed
//	stream: 244, label length, label (only from the side that dialed), 10, length of sealed (4 bytes), sealed
//	sealed: 1, nonce (12 bytes), AES-GCM of the content with its tag (16 bytes)
//
// The label, and for streams the five bytes before sealed, are authenticated. The leading 1 is not:
// it names the cipher's version, and an authentic packet whose 1 somebody turned into a 0 makes
// memberlist strip padding that is not there, which can end in a panic. So this package accepts 1 only.
const (
	markLabel     = 244
	markSealed    = 10 // of a stream whose content is encrypted
	markUser      = 8  // of a content that is a user message
	markChecksum  = 12 // of a content that starts with a CRC-32
	checksumBytes = 5  // with its mark
	cipherVersion = 1
	nonceBytes    = 12
	tagBytes      = 16
	sealedBytes   = 1 + nonceBytes + tagBytes // around the content

	// keyBytes is the length of a key: AES-256.
	keyBytes = 32
	// maxStream bounds what one stream may carry: the states and addresses of all nodes. It is held
	// in memory before it is known to be authentic.
	maxStream = 1 << 20
)

// screen authenticates what comes in.
type screen struct {
	label  []byte // header and text
	name   []byte // text alone
	ring   atomic.Pointer[ring]
	replay replay
}

// newScreen opens what was sealed with one of the keys, and notes with which the peers at these addresses seal.
func newScreen(cluster string, keys [][]byte, peers []netip.Addr) (*screen, error) {
	r, err := newRing(keys, nil, peers)
	if err != nil {
		return nil, err
	}
	header, err := memberlist.AddLabelHeaderToPacket([]byte{}, cluster)
	if err != nil {
		return nil, err
	}
	s := &screen{label: header, name: []byte(cluster)}
	s.ring.Store(&r)
	return s, nil
}

// openPacket returns the content of an authentic, new packet, appended to dst. Errors are *DropErrors.
func (s *screen) openPacket(from netip.Addr, dst, packet []byte) ([]byte, error) {
	sealed, ok := bytes.CutPrefix(packet, s.label)
	if !ok {
		return nil, drop(DropLabel, "packet of %d bytes without this cluster's label", len(packet))
	}
	return s.open(from, dst, sealed, s.name)
}

// sealPacket appends the packet with a content to dst, as memberlist would send it.
func (s *screen) sealPacket(dst, content []byte) []byte {
	dst = append(dst, s.label...)
	dst = append(dst, cipherVersion)
	return (*s.ring.Load())[0].sealer.Seal(dst, nil, content, s.name)
}

// open authenticates a sealed content, and remembers it.
func (s *screen) open(from netip.Addr, dst, sealed, authentic []byte) ([]byte, error) {
	if len(sealed) < sealedBytes {
		return nil, drop(DropShort, "%d sealed bytes, at least %d", len(sealed), sealedBytes)
	}
	if sealed[0] != cipherVersion {
		return nil, drop(DropCipher, "cipher version %d, want %d", sealed[0], cipherVersion)
	}
	nonce := sealed[1 : 1+nonceBytes]
	content, by, err := s.ring.Load().open(dst, nonce, sealed[1+nonceBytes:], authentic)
	if err != nil {
		return nil, drop(DropUndecryptable, "another key, or altered: %w", err)
	}
	if !s.replay.first([nonceBytes]byte(nonce)) {
		return nil, drop(DropReplayed, "heard before")
	}
	by.note(from)
	if len(content) == 0 {
		return nil, drop(DropShort, "nothing inside")
	}
	return content, nil
}

// readStream reads a whole stream and returns it as it came if it is authentic and new. labelled says
// that it starts with a label: that this side accepted it.
func (s *screen) readStream(from netip.Addr, r io.Reader, labelled bool) ([]byte, error) {
	var raw bytes.Buffer
	if labelled {
		if err := take(&raw, r, len(s.label)); err != nil {
			return nil, err
		}
		if !bytes.Equal(raw.Bytes(), s.label) {
			return nil, drop(DropLabel, "stream without this cluster's label")
		}
	}
	start := raw.Len()
	if err := take(&raw, r, 5); err != nil {
		return nil, err
	}
	header := bytes.Clone(raw.Bytes()[start:])
	if header[0] != markSealed {
		return nil, drop(DropCipher, "stream is not encrypted")
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length > maxStream {
		return nil, drop(DropOversize, "stream of %d bytes, at most %d", length, maxStream)
	}
	if err := take(&raw, r, int(length)); err != nil {
		return nil, err
	}
	if _, err := s.open(from, nil, raw.Bytes()[start+5:], append(header, s.name...)); err != nil {
		return nil, err
	}
	return raw.Bytes(), nil
}

// take reads n bytes, and holds no more memory than has really come in.
func take(to *bytes.Buffer, r io.Reader, n int) error {
	got, err := io.CopyN(to, r, int64(n))
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return drop(DropShort, "stream ended %d bytes early: %w", int64(n)-got, err)
}

// userMessage returns the user message that is all of a packet's content, or false if the content is
// memberlist's own.
func userMessage(content []byte) ([]byte, bool) {
	if len(content) > checksumBytes && content[0] == markChecksum {
		content = content[checksumBytes:] // the cipher's tag has vouched for it
	}
	if len(content) < 1 || content[0] != markUser {
		return nil, false
	}
	return content[1:], true
}

// A user message is an envelope: the length of the name of the node it is for, that name, and a
// frame. A packet recorded on its way to one node is thus of no use at another. States are for
// everybody: their envelopes name nobody.

// seal puts a frame into an envelope.
func seal(to string, frame []byte) []byte {
	return appendSealed(make([]byte, 0, 1+len(to)+len(frame)), to, frame)
}

func appendSealed(out []byte, to string, frame []byte) []byte {
	out = append(out, byte(len(to)))
	out = append(out, to...)
	return append(out, frame...)
}

// unseal takes an envelope apart, without copying.
func unseal(envelope []byte) (to string, frame []byte, err error) {
	if len(envelope) == 0 {
		return "", nil, drop(DropShort, "empty envelope")
	}
	n := int(envelope[0])
	if len(envelope) < 1+n {
		return "", nil, drop(DropShort, "envelope ends in the name")
	}
	return string(envelope[1 : 1+n]), envelope[1+n:], nil
}
