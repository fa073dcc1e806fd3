//go:build faults

package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/sirupsen/logrus"

	"memvip/flush"
	"memvip/vip"
)

// A test that never fails proves nothing. This build breaks a promise on demand, so that the integration
// tests can show that they would notice. It takes both the build tag and the variable, says so in
// its version and its log, and obeys nothing but the names below: a shipped agent cannot do any of it.

// faultVariable names the fault to inject; empty means none.
const faultVariable = "MEMVIP_FAULT"

// faultNoFlushGate claims flushes and their proofs without making any.
const faultNoFlushGate = "no_flush_gate"

// faultNoRecall leaves the clients of a dead host to their own patience.
const faultNoRecall = "no_recall"

func init() {
	honest := Version
	Version = func() string { return honest() + "+faults" }
}

// withFaults puts the fault that the environment names between the machine and the memcacheds. An unknown
// one ends the agent: a test must not pass because it misspelt what it wanted broken.
func withFaults(port instancePort, d *diary) instancePort {
	switch fault := os.Getenv(faultVariable); fault {
	case "", faultNoRecall:
		return port
	case faultNoFlushGate:
		d.trouble(logrus.Fields{fieldDetail: fault}, "fault injected: this agent serves old values", nil)
		return gateless{port}
	default:
		panic(fmt.Sprintf("%s=%q: no such fault", faultVariable, fault))
	}
}

// gateless is a flush that is never made and a check that always passes. All else is as it is.
type gateless struct{ instancePort }

func (g gateless) Prove(ctx context.Context, a netip.AddrPort, _ []netip.Addr, _ flush.Figures) (flush.Certificate, error) {
	f, err := g.Inspect(ctx, a)
	return flush.Certificate{PID: f.PID, Start: f.Start, Oldest: f.Oldest, TotalItems: f.TotalItems}, err
}

func (gateless) Verify(context.Context, netip.AddrPort, flush.Certificate, bool) error { return nil }

// withRecalls has nobody recalled if the environment says so.
func withRecalls(former func(netip.Addr) []vip.Client, d *diary) func(netip.Addr) []vip.Client {
	if os.Getenv(faultVariable) != faultNoRecall {
		return former
	}
	d.trouble(logrus.Fields{fieldDetail: faultNoRecall}, "fault injected: this agent recalls no clients", nil)
	return nil
}
