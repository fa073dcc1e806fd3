//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"

	"memvip/integration/lab"
)

// agentPath and ctlPath are the programs under test.
var agentPath, ctlPath string

func TestMain(m *testing.M) {
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, err := lab.WithPrograms(func(dir string) int {
		var err error
		if agentPath, ctlPath, err = lab.Programs(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		go watchStalls()
		return m.Run()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}
