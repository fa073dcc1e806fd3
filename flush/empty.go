package flush

import (
	"context"
	"net/netip"

	"memvip/flush/memcached"
)

// Empty sends flush_all to an instance that may be in use. It proves nothing, and needs no proof: whoever reads
// afterwards misses at worst. The error is a *Refusal.
func Empty(ctx context.Context, addr netip.AddrPort) error {
	s, err := clientOf(addr).open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.command(ctx, (*memcached.Conn).FlushAll)
}
