package doctor

import (
	"testing"

	"go.uber.org/goleak"

	"memvip/integration/apart"
)

// outside is why the tests could not be moved into namespaces of their own.
var outside error

func TestMain(m *testing.M) {
	outside = apart.Enter()
	goleak.VerifyTestMain(m)
}
