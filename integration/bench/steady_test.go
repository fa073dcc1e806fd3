package main

import (
	"testing"
	"time"

	"memvip/integration/lab"
)

func TestShareOf(t *testing.T) {
	before := lab.Usage{At: at(1000), CPU: time.Second, Scripts: 2 * time.Second, RSS: 9 << 20, PSS: 9 << 20}
	after := lab.Usage{At: at(11000), CPU: time.Second + 10*time.Millisecond, Scripts: 2*time.Second + 30*time.Millisecond, RSS: 20 << 20, PSS: 5 << 20}
	got := shareOf(before, after, lab.Flow{Packets: 20, Bytes: 1000}, lab.Flow{Packets: 40, Bytes: 3000})
	want := share{CPU: 14.4, Scripts: 10.8, RSS: 20, PSS: 5, Sent: rate{2, 100}, Received: rate{4, 300}}
	near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
	if !near(got.CPU, want.CPU) || !near(got.Scripts, want.Scripts) || got.RSS != want.RSS || got.PSS != want.PSS || got.Sent != want.Sent || got.Received != want.Received {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCostIsTheMedianHosts(t *testing.T) {
	c := cost{Hosts: []share{{CPU: 90}, {CPU: 36}, {CPU: 0}}}
	if c.core() != 1 {
		t.Errorf("%v %% of a core, want 1", c.core())
	}
}

func TestWhereKeepalivedCostsLess(t *testing.T) {
	of := func(contender string, clients bool, cpu, packets float64) cost {
		return cost{Contender: contender, Clients: clients, Hosts: []share{{CPU: cpu, Sent: rate{packets, packets}}}}
	}
	got := cheaper([]cost{of(nameMemvip, false, 20, 5), of(nameTuned, false, 10, 9), of(nameLimit, false, 30, 5), of(nameTuned, true, 1, 1), of(nameEqual, false, 99, 99)})
	if len(got) != 1 || got[0] != "keepalived-tuned is ahead of memvip, no client: CPU 10.0, not 20.0" {
		t.Errorf("%q", got)
	}
}
