//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memvip/integration/lab"
)

// binVar names the folder of memvip-agent and agentctl. Without it the tests build their own.
const binVar = "MEMVIP_BIN"

// agentPath and ctlPath are the programs under test.
var agentPath, ctlPath string

func TestMain(m *testing.M) {
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, err := runWithPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithPrograms(m *testing.M) (code int, err error) {
	dir := os.Getenv(binVar)
	if dir == "" {
		if dir, err = os.MkdirTemp("", "memvip-integration-"); err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/", "memvip/cmd/memvip-agent", "memvip/cmd/agentctl")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build the programs: %w\n%s", err, out)
		}
	}
	agentPath, ctlPath = filepath.Join(dir, "memvip-agent"), filepath.Join(dir, "agentctl")
	for _, path := range []string{agentPath, ctlPath} {
		if _, err := os.Stat(path); err != nil {
			return 1, fmt.Errorf("%s: %w", binVar, err)
		}
	}
	return m.Run(), nil
}
