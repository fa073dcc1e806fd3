//go:build !faults

package agent

import "testing"

// TestNoFaultsUntagged: the build that is shipped has no fault to inject, whatever its environment names.
func TestNoFaultsUntagged(t *testing.T) {
	t.Setenv("MEMVIP_FAULT", "no_flush_gate")
	if port := withFaults(realInstances{}, newDiary(nil)); port != (realInstances{}) {
		t.Errorf("memcached is reached through %T", port)
	}
}
