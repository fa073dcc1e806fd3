package main

import (
	"testing"
	"time"

	"memvip/integration/lab"
)

// The mean counts packets over those nodes only where they were counted.
func TestTally(t *testing.T) {
	two := tally{nodes: 2, counted: 1, cpu: 0.5, most: 0.4, resident: 20 << 20}
	two.sent.add(lab.Flow{Packets: 100, Bytes: 1000}, 10*time.Second)
	two.heard.add(lab.Flow{Packets: 50, Bytes: 500}, 5*time.Second)
	want := cost{Nodes: 2, CPU: 0.25, CPUMost: 0.4, Resident: 10 << 20, Sent: rate{10, 100}, Received: rate{10, 100}}
	if got := two.cost(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := (&tally{}).cost(); got != (cost{}) {
		t.Errorf("nothing costs %+v", got)
	}
}
