package main

import (
	"fmt"
	"slices"
	"time"

	"memvip/integration/bench/machine"
)

// record is everything that was measured, as it is kept.
type record struct {
	Machine   machine.Machine `json:"machine"`
	Build     string          `json:"agent"`
	Memcached string          `json:"memcached"`
	Real      []realRow       `json:"real"` // by number of nodes
	Simulated []simRow        `json:"simulated"`
}

// millis is a duration in milliseconds, as it is printed and kept.
type millis float64

func inMillis(d time.Duration) millis { return millis(d.Round(10*time.Microsecond).Seconds() * 1000) }

// realRow is what real agents showed at one size.
type realRow struct {
	Nodes     int     `json:"nodes"`
	Formed    millis  `json:"formed_ms"` // from the first agent's start until every VIP had been announced
	Started   millis  `json:"started_ms"`
	Voters    cost    `json:"voters"`
	Others    cost    `json:"others"`
	Exits     []move  `json:"memcached_exits"`
	Cuts      []move  `json:"hosts_cut_off"`
	Rack      rack    `json:"rack"`
	Load      float64 `json:"load_average"`
	Scheduled string  `json:"scheduling"`
}

// cost is what one node of a kind costs while nothing happens, on average.
type cost struct {
	Nodes    int     `json:"nodes"`
	CPU      float64 `json:"cpu"`      // share of one processor
	CPUMost  float64 `json:"cpu_most"` // of the node that takes most
	Resident int     `json:"resident"` // bytes
	Sent     rate    `json:"sent"`     // of up to three nodes
	Received rate    `json:"received"`
}

// rate is what passed in a second.
type rate struct {
	Packets float64 `json:"packets"`
	Bytes   float64 `json:"bytes"`
}

// move is what became of one VIP.
type move struct {
	VIP  string `json:"vip"`
	From string `json:"from"`
	To   string `json:"to"`
	Took millis `json:"took_ms"` // from the failure to the first gratuitous ARP of another host
}

// rack is what became of the VIPs of a tenth of all hosts.
type rack struct {
	Hosts int    `json:"hosts"`
	VIPs  int    `json:"vips"`
	First millis `json:"first_ms"` // until the first of them was up elsewhere
	All   millis `json:"all_ms"`   // until all were
	Most  int    `json:"most"`     // VIPs on the host that had most of them then
}

// simRow is what the simulator showed at one size.
type simRow struct {
	Nodes       int      `json:"nodes"`
	Quiet       bool     `json:"quiet"`
	Formed      millis   `json:"formed_ms"`
	Voters      simCost  `json:"voters"`
	Others      simCost  `json:"others"`
	HeapPerNode int      `json:"heap_per_node"`
	Exits       []millis `json:"memcached_exits_ms"`
	Deaths      []millis `json:"hosts_dead_ms"`
	Rack        rack     `json:"rack"`
	RackStep    millis   `json:"rack_steps_ms"` // that a voter's processor was busy with the rack's failure
	Bears       millis   `json:"bears_ms"`      // for each event, so that it still forms; 0: not tried, or not even the least
	Unsendable  string   `json:"unsendable"`    // why gossip could not have written some messages; "" if it could
	Took        float64  `json:"took_s"`        // real time of the whole simulation
}

// simCost is what one simulated node of a kind costs while nothing happens, on average.
type simCost struct {
	Nodes         int     `json:"nodes"`
	LeaseSent     float64 `json:"lease_packets_sent"` // a second
	LeaseReceived float64 `json:"lease_packets_received"`
	LeaseBytes    float64 `json:"lease_bytes"` // both ways
	StateSent     float64 `json:"state_packets_sent"`
	StateReceived float64 `json:"state_packets_received"`
	Steps         float64 `json:"steps"`
	StepMicros    float64 `json:"step_us"`  // mean, of a real processor
	ClaimMicros   float64 `json:"claim_us"` // likewise, of a voter that hears a claim
	Busy          float64 `json:"busy"`     // share of a real processor that its steps took
	CodecBusy     float64 `json:"codec"`    // likewise, that writing and reading packets took
}

// begin notes what is measured now, or says that what is there is of something else.
func (r *record) begin(m machine.Machine, build, memcached string) error {
	if len(r.Real)+len(r.Simulated) > 0 && (r.Build != build || r.Memcached != memcached) {
		return fmt.Errorf("what was measured so far is of agent %s and memcached %s, and here are %s and %s: name another file by -data, or remove it",
			r.Build, r.Memcached, build, memcached)
	}
	r.Machine, r.Build, r.Memcached = m, build, memcached
	return nil
}

func (r record) hasReal(nodes int) bool {
	return slices.ContainsFunc(r.Real, func(x realRow) bool { return x.Nodes == nodes })
}

func (r record) hasSimulated(nodes int) bool {
	return slices.ContainsFunc(r.Simulated, func(x simRow) bool { return x.Nodes == nodes })
}

func (r *record) addReal(x realRow) {
	r.Real = append(r.Real, x)
	slices.SortFunc(r.Real, func(a, b realRow) int { return a.Nodes - b.Nodes })
}

func (r *record) addSimulated(x simRow) {
	r.Simulated = append(r.Simulated, x)
	slices.SortFunc(r.Simulated, func(a, b simRow) int { return a.Nodes - b.Nodes })
}
