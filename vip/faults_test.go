//go:build !faults

package vip

import "testing"

// TestImmortalUntagged: the build that is shipped does not die at a step that its environment names.
func TestImmortalUntagged(t *testing.T) {
	t.Setenv("MEMVIP_DIE_AFTER", "open")
	k := newFakeKernel()
	m := mortal(newManager(k))
	if m.kernel != kernel(k) || m.fence != fence(noFence{}) {
		t.Errorf("addresses are put up through %T and %T", m.kernel, m.fence)
	}
}
