package gossip

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"memvip/agent/core"
)

const testCluster = "cache-test"

var testKey = bytes.Repeat([]byte{7}, keyBytes)

func testScreen(t testing.TB) *screen {
	t.Helper()
	s, err := newScreen(testCluster, [][]byte{testKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sealContent encrypts as memberlist does, under a given nonce.
func (s *screen) sealContent(nonce [nonceBytes]byte, content, authentic []byte) []byte {
	out := append([]byte{cipherVersion}, nonce[:]...)
	return (*s.ring.Load())[0].aead.Seal(out, nonce[:], content, authentic)
}

func (s *screen) packet(nonce byte, content []byte) []byte {
	return slices.Concat(s.label, s.sealContent([nonceBytes]byte{nonce}, content, s.name))
}

func (s *screen) stream(nonce byte, content []byte, labelled bool) []byte {
	header := binary.BigEndian.AppendUint32([]byte{markSealed}, uint32(sealedBytes+len(content)))
	sealed := s.sealContent([nonceBytes]byte{nonce}, content, slices.Concat(header, s.name))
	if labelled {
		return slices.Concat(s.label, header, sealed)
	}
	return slices.Concat(header, sealed)
}

func changed(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

func TestOpenPacket(t *testing.T) {
	s := testScreen(t)
	good := s.packet(1, []byte("content"))
	version := len(s.label)
	for _, tc := range []struct {
		name   string
		packet []byte
		want   DropReason
	}{
		{"nothing", nil, DropLabel},
		{"no_label", good[len(s.label):], DropLabel},
		{"other_label", changed(good, 3, 'x'), DropLabel},
		{"label_only", good[:len(s.label)], DropShort},
		{"truncated_to_nothing", good[:version+sealedBytes-1], DropShort},
		{"truncated", good[:len(good)-1], DropUndecryptable},
		{"version_that_pads", changed(good, version, 0), DropCipher},
		{"altered", changed(good, len(good)-1, good[len(good)-1]^1), DropUndecryptable},
		{"empty", s.packet(2, nil), DropShort},
		{"good", good, NotDropped},
		{"again", good, DropReplayed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			content, err := s.openPacket(netip.Addr{}, nil, tc.packet)
			if ReasonOf(err) != tc.want || (err == nil) != (string(content) == "content") {
				t.Errorf("openPacket: %q, %v; want reason %s", content, err, tc.want)
			}
		})
	}
}

// TestSealPacket: what is sealed opens, is no longer than memberlist's, and is another packet each time.
func TestSealPacket(t *testing.T) {
	s := testScreen(t)
	before := []byte("before")
	first := s.sealPacket(slices.Clone(before), []byte("content"))
	second := s.sealPacket(nil, []byte("content"))
	packet, ok := bytes.CutPrefix(first, before)
	if !ok {
		t.Fatalf("%x does not begin with what was there", first)
	}
	if bytes.Equal(packet, second) {
		t.Error("sealed twice with one nonce")
	}
	for _, p := range [][]byte{packet, second} {
		if content, err := s.openPacket(netip.Addr{}, nil, p); err != nil || string(content) != "content" {
			t.Errorf("%x opens to %q, %v", p, content, err)
		}
		if want := s.packet(1, []byte("content")); len(p) != len(want) {
			t.Errorf("%d bytes, want %d", len(p), len(want))
		}
	}
}

// TestMessagesTravelAsMemberlistSends: a node of an earlier build takes what this one sends, and the other way about.
func TestMessagesTravelAsMemberlistSends(t *testing.T) {
	port := freePort(t)
	a := begin(t, options(port, "a", "a", "b"))
	ear := newStranger(t, addresses["b"], port)
	decline := core.Decline{From: "a", Name: "v"}
	ours := ear.record(t, a, decline)
	frame := encodeAny(t, decline)
	if err := a.list.SendToAddress(a.address("b"), seal("b", frame)); err != nil {
		t.Fatal(err)
	}
	theirs := ear.next(t)
	if len(ours) != len(theirs) {
		t.Errorf("%d bytes, memberlist sends %d", len(ours), len(theirs))
	}
	s := testScreen(t)
	our, errOurs := s.openPacket(netip.Addr{}, nil, ours)
	their, errTheirs := s.openPacket(netip.Addr{}, nil, theirs)
	if errOurs != nil || errTheirs != nil || !bytes.Equal(our, their) {
		t.Errorf("content %x, %v; memberlist sends %x, %v", our, errOurs, their, errTheirs)
	}
}

func TestReadStream(t *testing.T) {
	s := testScreen(t)
	good := s.stream(1, []byte("content"), true)
	header := len(s.label)
	tooLong := slices.Concat(s.label, []byte{markSealed, 0, 0x10, 0, 1})
	for _, tc := range []struct {
		name     string
		raw      []byte
		accepted bool
		want     DropReason
	}{
		{"nothing", nil, true, DropShort},
		{"other_label", changed(good, 3, 'x'), true, DropLabel},
		{"truncated", good[:len(good)-1], true, DropShort},
		{"plain_text", changed(good, header, 6), true, DropCipher},
		{"version_that_pads", changed(good, header+5, 0), true, DropCipher},
		{"longer_than_allowed", tooLong, true, DropOversize},
		{"altered", changed(good, len(good)-1, good[len(good)-1]^1), true, DropUndecryptable},
		{"no_label_from_a_dialer", s.stream(2, []byte("content"), false), true, DropLabel},
		{"label_from_the_dialed", good, false, DropCipher},
		{"good", good, true, NotDropped},
		{"again", good, true, DropReplayed},
		{"good_answer", s.stream(3, []byte("content"), false), false, NotDropped},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw, err := s.readStream(netip.Addr{}, bytes.NewReader(tc.raw), tc.accepted)
			if ReasonOf(err) != tc.want || err == nil && !bytes.Equal(raw, tc.raw) {
				t.Errorf("readStream: %d bytes, %v; want reason %s", len(raw), err, tc.want)
			}
		})
	}
}

// An old packet is recognized for at least replayGeneration others.
func TestReplayRemembersAGeneration(t *testing.T) {
	var r replay
	nonce := func(i int) (n [nonceBytes]byte) {
		binary.BigEndian.PutUint64(n[:], uint64(i))
		return n
	}
	for i := range 5 * replayGeneration {
		if !r.first(nonce(i)) {
			t.Fatalf("packet %d taken for a replay", i)
		}
		if back := i - replayGeneration; back >= 0 && r.first(nonce(back)) {
			t.Fatalf("packet %d not recognized after %d others", back, replayGeneration)
		}
	}
	if held := len(r.now) + len(r.old); held > 2*replayGeneration {
		t.Errorf("%d packets remembered, want at most %d", held, 2*replayGeneration)
	}
}

func TestUserMessage(t *testing.T) {
	for _, tc := range []struct {
		name, content, want string
		ok                  bool
	}{
		{"plain", "\x08abc", "abc", true},
		{"with_checksum", "\x0c1234\x08abc", "abc", true},
		{"empty_message", "\x08", "", true},
		{"ping", "\x00abc", "", false},
		{"ping_with_checksum", "\x0c1234\x00abc", "", false},
		{"checksum_of_nothing", "\x0c1234", "", false},
		{"nothing", "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := userMessage([]byte(tc.content))
			if string(got) != tc.want || ok != tc.ok {
				t.Errorf("userMessage: %q, %v; want %q, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

// What somebody sends again does not say that the peer still seals with that key.
func TestReplayedPacketIsNoSignOfItsKey(t *testing.T) {
	peer := netip.MustParseAddr("10.0.0.12")
	s, err := newScreen(testCluster, [][]byte{testKey}, []netip.Addr{peer})
	if err != nil {
		t.Fatal(err)
	}
	packet := s.packet(1, seal("", []byte{1, 2, 3}))
	heard := (*s.ring.Load())[0].heard[peer]
	for _, again := range []bool{false, true} {
		heard.Store(0)
		_, err := s.openPacket(peer, nil, packet)
		if (ReasonOf(err) == DropReplayed) != again || (heard.Load() == 0) != again {
			t.Errorf("again %t: %v, heard at %d", again, err, heard.Load())
		}
	}
}

// Whatever arrives, only what was sealed with the key opens, and only once.
func FuzzOpenPacket(f *testing.F) {
	f.Fuzz(func(t *testing.T, packet []byte) {
		s := testScreen(t)
		content, err := s.openPacket(netip.Addr{}, nil, packet)
		if err != nil {
			if ReasonOf(err) == NotDropped {
				t.Fatalf("openPacket: %v has no reason", err)
			}
			return
		}
		userMessage(content)
		if _, err := s.openPacket(netip.Addr{}, nil, packet); ReasonOf(err) != DropReplayed {
			t.Errorf("the same packet again: %v, want reason %s", err, DropReplayed)
		}
	})
}

func FuzzReadStream(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte, accepted bool) {
		s := testScreen(t)
		got, err := s.readStream(netip.Addr{}, bytes.NewReader(raw), accepted)
		if (err == nil) == (ReasonOf(err) != NotDropped) {
			t.Fatalf("readStream: %v has reason %s", err, ReasonOf(err))
		}
		if err == nil && !bytes.HasPrefix(raw, got) {
			t.Errorf("readStream made %x of %x", got, raw)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	f.Fuzz(func(t *testing.T, envelope []byte) {
		to, frame, err := unseal(envelope)
		if (err == nil) == (ReasonOf(err) != NotDropped) {
			t.Fatalf("unseal: %v has reason %s", err, ReasonOf(err))
		}
		if err == nil && !bytes.Equal(seal(to, frame), envelope) {
			t.Errorf("unseal(%x) = %q, %x", envelope, to, frame)
		}
	})
}

func FuzzSplitStates(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, err := splitStates(b)
		if (err == nil) == (ReasonOf(err) != NotDropped) {
			t.Fatalf("splitStates: %v has reason %s", err, ReasonOf(err))
		}
		if len(frames) > maxEntries {
			t.Errorf("%d states, at most %d", len(frames), maxEntries)
		}
		for _, frame := range frames {
			if len(frame) > maxFrame {
				t.Errorf("a state of %d bytes, at most %d", len(frame), maxFrame)
			}
		}
	})
}

// BenchmarkGarbage is what a stranger's packet costs.
func BenchmarkGarbage(b *testing.B) {
	s := testScreen(b)
	packet := s.packet(1, make([]byte, 1000))
	if _, err := rand.Read(packet[len(s.label)+1:]); err != nil {
		b.Fatal(err)
	}
	room := make([]byte, 0, 2000)
	for b.Loop() {
		if _, err := s.openPacket(netip.Addr{}, room, packet); ReasonOf(err) != DropUndecryptable {
			b.Fatal(err)
		}
	}
}
