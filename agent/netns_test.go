package agent

import (
	"errors"
	"os"
	"testing"
)

func TestWhatTheFormerLifeHandsDown(t *testing.T) {
	for _, c := range []struct {
		handed string
		want   string // of the error; "" for none
	}{
		{connectorNone, ""},
		{"", `MEMVIP_CONNECTOR_FD="": want a file descriptor`},
		{"-1", `MEMVIP_CONNECTOR_FD="-1": want a file descriptor`},
		{"99999999999", `MEMVIP_CONNECTOR_FD="99999999999": want a file descriptor`},
	} {
		t.Setenv(connectorVariable, c.handed)
		connector, err := EnterNetns("any")
		if _, usage := errors.AsType[*UsageError](err); connector != nil || usage != (c.want != "") || usage && err.Error() != c.want {
			t.Errorf("%q: %v, %v; want %q", c.handed, connector, err, c.want)
		}
		if _, still := os.LookupEnv(connectorVariable); still {
			t.Errorf("%q: handed on to the commands that the agent runs", c.handed)
		}
	}
}

func TestADescriptorThatIsNoConnectorIsRefused(t *testing.T) {
	connector, err := inheritedConnector("1048575") // none is open there
	if err == nil || connector != nil {
		t.Errorf("took %v for a connector", connector)
	}
}
