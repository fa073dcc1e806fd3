package flush_test

import (
	"net/netip"
	"testing"
	"time"

	"memvip/flush"
	"memvip/flush/fake"
)

// What the agent does with a tainted instance, from the first look to the moment the address goes up.
func TestTheWholeWay(t *testing.T) {
	server := fake.New(fake.Options{Generation: fake.Since1625})
	defer server.Close()
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Do("set a 0 0 1\r\nx\r\n")
	ctx, vips := t.Context(), []netip.Addr{netip.MustParseAddr("127.0.0.5")}

	first, err := flush.Inspect(ctx, addr)
	if err != nil || first.EmptyAtStart() {
		t.Fatalf("got %+v, %v", first, err)
	}
	if err := flush.Drained(ctx, addr, vips, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	quiet, err := flush.WatchQuiet(ctx, addr, flush.QuietOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := flush.Prove(ctx, addr, vips, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := flush.Verify(ctx, addr, cert, false); err != nil {
		t.Error(err)
	}
	if got := server.Do("get a"); got != "END\r\n" {
		t.Errorf("got %q", got)
	}
}
