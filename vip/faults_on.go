//go:build faults

package vip

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// This build's process dies, as by kill -9, right after a step of its first claim or of the release that follows, so
// that the integration tests can see what it leaves behind. It takes both the build tag and the variable.

// dieVariable names the step; empty: it does not die.
const dieVariable = "MEMVIP_DIE_AFTER"

// The steps, in their order. Those of a release count once an address has been added.
const (
	stepOpen     = "open"     // the fence is open, the address not there
	stepAdd      = "add"      // it is there, and nobody has heard of it
	stepAnnounce = "announce" // the first frame is out
	stepShutIn   = "shut-in"  // nothing comes in any more
	stepDestroy  = "destroy"  // the connections are reset
	stepRemove   = "remove"   // the address is gone
	stepShut     = "shut"     // nothing goes out any more
)

var (
	claimSteps   = []string{stepOpen, stepAdd, stepAnnounce}
	releaseSteps = []string{stepShutIn, stepDestroy, stepRemove, stepShut}
)

// mortal has the Manager's process die where the environment says.
func mortal(m *Manager) *Manager {
	step := os.Getenv(dieVariable)
	if step == "" {
		return m
	}
	if !slices.Contains(claimSteps, step) && !slices.Contains(releaseSteps, step) {
		panic(fmt.Sprintf("%s=%q: no such step", dieVariable, step))
	}
	d := &doom{step: step}
	m.kernel, m.fence = mortalKernel{m.kernel, d}, mortalFence{m.fence, d}
	return m
}

// doom is the step after which all ends.
type doom struct {
	step string
	due  atomic.Bool // an address has been added
}

// after dies if that was the step.
func (d *doom) after(step string, err error) error {
	if err != nil {
		return err
	}
	if step == d.step && (d.due.Load() || slices.Contains(claimSteps, step)) {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // the signal is on its way
	}
	if step == stepAdd {
		d.due.Store(true)
	}
	return nil
}

type mortalKernel struct {
	kernel
	doom *doom
}

func (k mortalKernel) add(index int, a Address) error {
	return k.doom.after(stepAdd, k.kernel.add(index, a))
}

func (k mortalKernel) send(index int, frame []byte) error {
	return k.doom.after(stepAnnounce, k.kernel.send(index, frame))
}

func (k mortalKernel) destroy(list []socket) (int, error) {
	n, err := k.kernel.destroy(list)
	return n, k.doom.after(stepDestroy, err)
}

func (k mortalKernel) remove(index int, a Address) error {
	return k.doom.after(stepRemove, k.kernel.remove(index, a))
}

type mortalFence struct {
	fence
	doom *doom
}

func (f mortalFence) open(ip netip.Addr, lease Lease) error {
	return f.doom.after(stepOpen, f.fence.open(ip, lease))
}

func (f mortalFence) shut(ip netip.Addr, d direction) error {
	step := stepShutIn
	if d == both {
		step = stepShut
	}
	return f.doom.after(step, f.fence.shut(ip, d))
}
