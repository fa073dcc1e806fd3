package flush

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"memvip/flush/fake"
	"memvip/flush/memcached"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testAddr = netip.MustParseAddrPort("127.0.0.1:11211")

// inMemory returns a fake and a client that reaches it without a network, fit for simulated time.
func inMemory(t *testing.T, opts fake.Options) (*fake.Server, client) {
	t.Helper()
	server := fake.New(opts)
	t.Cleanup(server.Close)
	return server, client{
		addr: testAddr,
		dial: func(_ context.Context, addr netip.AddrPort) (*memcached.Conn, error) {
			return memcached.New(server.Dial(addr), addr.String()), nil
		},
		queued: func([]memcached.Client) (int, error) { return 0, nil },
		limits: defaultLimits,
	}
}

func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want reason %v", err, want)
	}
	if refusal.Reason != want {
		t.Fatalf("got reason %v (%v), want %v", refusal.Reason, err, want)
	}
	if refusal.Detail == "" {
		t.Errorf("reason %v comes without words", want)
	}
}

func mustInspect(t *testing.T, c client) Figures {
	t.Helper()
	figures, err := c.inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return figures
}
