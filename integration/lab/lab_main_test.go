//go:build integration

package lab

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if err := Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code, ok := runRole(); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
