package history

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// at is the instant that tests count from.
var at = time.Date(2026, 11, 21, 14, 3, 7, 412e6, time.UTC)

func TestMain(m *testing.M) {
	time.Local = time.UTC // Render shows the reader's time
	goleak.VerifyTestMain(m)
}

// entry is one of a test: node and sequence number, VIP and epoch (0: none), seconds by the node's clock.
func entry(node string, seq uint64, vip string, epoch uint64, second int) Entry {
	return Entry{
		Time: at.Add(time.Duration(second) * time.Second), Node: node, Seq: seq, Kind: KindChange, VIP: vip, Epoch: epoch,
	}
}

// names says which entries these are.
func names(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%s%d", e.Node, e.Seq))
	}
	return out
}
