package vip

import (
	"testing"

	"go.uber.org/goleak"

	"memvip/integration/apart"
)

// outside is why the tests could not be moved into namespaces of their own; those that need a kernel
// fail with it rather than touch the interfaces of this machine.
var outside error

func TestMain(m *testing.M) {
	outside = apart.Enter()
	goleak.VerifyTestMain(m)
}
