package vip

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAddressSurvivesTheWire(t *testing.T) {
	for _, text := range []string{"10.0.0.50/32", "10.0.0.50/24", "fd00::50/128"} {
		a := Address{Prefix: netip.MustParsePrefix(text), Link: hostLink}
		got, err := decodeAddress(encodeNewAddress(7, a))
		want := present{
			LinkIndex: 7, Prefix: a.Prefix, Label: a.label(), Protocol: tagProtocol,
			Flags: a.flags(), Valid: validLifetime,
		}
		if got != want || err != nil {
			t.Errorf("%s: got %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

// The filter is a program for the kernel; one that jumps elsewhere is refused or shows other sockets.
func TestSourceFilter(t *testing.T) {
	four, six := netip.MustParseAddr("10.0.0.50"), netip.MustParseAddr("fd00::50")
	const is4, is6 = "02200000" + "ffffffff" + "0a000032", "0a800000" + "ffffffff" + "fd000000000000000000000000000050"
	cases := []struct {
		ips  []netip.Addr
		want string
	}{
		{[]netip.Addr{four}, "07101400" + is4},
		{[]netip.Addr{six}, "071c2000" + is6},
		{[]netip.Addr{four, six}, "07101400" + is4 + "01042000" + "071c2000" + is6},
		{[]netip.Addr{four, six, four}, "07101400" + is4 + "01043400" + "071c2000" + is6 + "01041400" + "07101400" + is4},
	}
	for _, c := range cases {
		if got := hex.EncodeToString(sourceFilter(c.ips...)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.ips, got, c.want)
		}
	}
	many := make([]netip.Addr, conditionsMax)
	for i := range many {
		many[i] = six
	}
	if size := len(sourceFilter(many...)); size > 1<<16-5 {
		t.Errorf("a filter of %d bytes: its jumps are counted in 16 bits", size)
	}
}

func TestOnlyConnectionsAreDestroyed(t *testing.T) {
	service, other := netip.MustParseAddr("10.0.0.50"), netip.MustParseAddr("10.0.0.51")
	for state := range uint8(64) {
		var want bool
		switch state {
		case stateEstablished, stateSynSent, stateSynReceived, stateFinWait1, stateFinWait2, stateTimeWait,
			stateCloseWait, stateLastAck, stateClosing:
			want = true
		}
		if got := (reportedSocket{state: state, local: service}).isConnection(service); got != want {
			t.Errorf("state %d: %v, want %v", state, got, want)
		}
		if (reportedSocket{state: state, local: other}).isConnection(service) {
			t.Errorf("state %d of another address is taken for one of ours", state)
		}
	}
}

func TestMappedSocketIsAnIPv4Connection(t *testing.T) {
	b := make([]byte, diagAnswerBytes)
	b[0], b[1] = unix.AF_INET6, stateEstablished
	mapped := netip.MustParseAddr("::ffff:10.0.0.50").As16()
	copy(b[8:], mapped[:])
	s, err := decodeSocket(b)
	if err != nil || !s.isConnection(netip.MustParseAddr("10.0.0.50")) {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzDecodeLink(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if link, err := decodeLink(b); err == nil && len(b) < linkHeaderBytes {
			t.Errorf("%d bytes make %+v", len(b), link)
		}
	})
}

func FuzzDecodeAddress(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeAddress(b)
		if err != nil {
			return
		}
		if !p.Prefix.IsValid() {
			t.Fatalf("%x makes the prefix %s", b, p.Prefix)
		}
		if again, err := decodeAddress(b); again != p || err != nil {
			t.Errorf("%x makes %+v, then %+v", b, p, again)
		}
	})
}

func FuzzDecodeSocket(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSocket(b)
		if err != nil {
			return
		}
		if s.state == stateListen && s.isConnection(s.local) {
			t.Fatalf("%x: a listening socket would be destroyed", b)
		}
		if request := encodeSocketDestroy(s.socket); len(request) != diagDestroyBytes {
			t.Errorf("request of %d bytes", len(request))
		}
	})
}

// needSeeds fails where the committed corpus of a fuzz target is missing.
func needSeeds(f *testing.F) {
	f.Helper()
	files, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name()))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seed corpus: %v", err)
	}
}

func FuzzDecodeNeighbour(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := decodeNeighbour(b); err == nil && len(b) < neighbourHeaderBytes {
			t.Errorf("%d bytes make %+v", len(b), n)
		}
	})
}

func FuzzDecodeRoute(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRoute(b); err == nil && len(b) < routeHeaderBytes {
			t.Errorf("%d bytes make %+v", len(b), r)
		}
	})
}

// A router of another family than its clients' is in an attribute of its own.
func TestRouterOfAnotherFamily(t *testing.T) {
	router := netip.MustParseAddr("fe80::1")
	b := appendAttribute(make([]byte, routeHeaderBytes), attributeVia, append([]byte{unix.AF_INET6, 0}, router.AsSlice()...))
	b = appendAttribute(b, unix.RTA_OIF, []byte{7, 0, 0, 0})
	if got, err := decodeRoute(b); got != (route{index: 7, router: router}) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
