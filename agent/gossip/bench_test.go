package gossip

import (
	"net/netip"
	"testing"

	"memvip/agent/core"
)

// BenchmarkCodec is what the usual cluster of three with three VIPs says, written and read. What is read is kept by
// who hears it, so it has to be allocated.
func BenchmarkCodec(b *testing.B) {
	claim, answer, state := typical(3)
	for _, c := range []struct {
		name   string
		encode func() ([]byte, error)
	}{
		{"claim", func() ([]byte, error) { return Encode(claim) }},
		{"answer", func() ([]byte, error) { return Encode(answer) }},
		{"state", func() ([]byte, error) { return EncodeState(state) }},
	} {
		frame, err := c.encode()
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := c.encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// sealAndOpen is what lies around a frame, there and back, in room that is used again.
func sealAndOpen(tb testing.TB) func() {
	claim, _, _ := typical(3)
	frame, err := Encode(claim)
	if err != nil {
		tb.Fatal(err)
	}
	s := testScreen(tb)
	from := netip.MustParseAddr("10.0.0.11")
	var content, packet, opened []byte
	return func() {
		content = appendSealed(append(content[:0], markUser), "cache-node-2", frame)
		packet = s.sealPacket(packet[:0], content)
		if opened, err = s.openPacket(from, opened[:0], packet); err != nil {
			tb.Fatal(err)
		}
		if _, ok := userMessage(opened); !ok {
			tb.Fatal("no user message")
		}
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	b.ReportAllocs()
	for work := sealAndOpen(b); b.Loop(); {
		work()
	}
}

// TestSealingAllocatesNothing: every lease message passes here twice. The bound leaves room for the growth of what
// remembers packets.
func TestSealingAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, sealAndOpen(t)); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkRoundTrip is a claim there and an answer back: twice encoding, sealing, the kernel's
// loopback, authenticating and decoding. It bounds from below what a lease costs.
func BenchmarkRoundTrip(b *testing.B) {
	port := freePort(b)
	far := options(port, "b", "a", "b")
	done := make(chan struct{}, 1)
	near := options(port, "a", "a", "b")
	claim, answer, _ := typical(5)
	near.OnMessage = func(string, core.Message) { done <- struct{}{} }
	near.OnState, far.OnState = func(core.NodeState) {}, func(core.NodeState) {}
	var g *Gossip
	far.OnMessage = func(string, core.Message) {
		if err := g.Send("a", from("b", answer)); err != nil {
			b.Error(err)
		}
	}
	a, err := Start(near)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close(b.Context())
	if g, err = Start(far); err != nil {
		b.Fatal(err)
	}
	defer g.Close(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Send("b", from("a", claim)); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}
