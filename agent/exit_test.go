package agent

import (
	"fmt"
	"testing"

	"memvip/systemd"
)

// Whatever a restart may help against is restarted: a crash, the watchdog, a host that is not ready yet.
func TestOnlyBadSettingsEndForGood(t *testing.T) {
	got, err := systemd.Setting("Service", "RestartPreventExitStatus")
	if want := fmt.Sprintf("%d %d", ExitUsage, ExitConfig); got != want || err != nil {
		t.Errorf("RestartPreventExitStatus=%s, %v; want %s", got, err, want)
	}
	const crashed = 2 // what the Go runtime ends with
	for _, code := range []int{ExitOK, ExitFailure, ExitRunning, ExitCapability, ExitPlace, ExitUsage, ExitConfig} {
		if code == crashed {
			t.Errorf("exit code %d cannot be told from a crash", code)
		}
	}
}
