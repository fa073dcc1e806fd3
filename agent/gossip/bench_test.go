package gossip

import (
	"testing"

	"memvip/agent/core"
)

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
	for b.Loop() {
		if err := a.Send("b", from("a", claim)); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}
