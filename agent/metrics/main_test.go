package metrics

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/gossip"
	"memvip/flush/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	build    = "0.1.0"
	instance = "127.0.0.1:11211"
	digest   = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed"
)

var nodes = []string{"cache1", "cache2", "cache3"}

func vipOf(i int) core.Name { return core.Name(fmt.Sprintf("10.0.0.%d", 101+i)) }

// situation is what one node of three knows, each home of one VIP; a test changes what it is about.
type situation struct {
	status core.Status
	facts  control.Facts
	gossip gossip.Counters
	fenced map[string]time.Duration
}

// healthy is a cluster in which all is well, as a node knows it.
func healthy(self string) *situation {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := &situation{
		status: core.Status{Node: self, Quorate: true, Counted: map[string]int{}},
		facts: control.Facts{
			Now: now, Started: now.Add(-26 * time.Hour), Build: build, Cluster: "cache-prod", ConfigDigest: digest,
			Clients: map[core.Name]int{},
			Lease:   600 * time.Millisecond, Detector: "process connector",
			Settings: control.Settings{Lease: 600 * time.Millisecond, Drift: 0.01, Interval: 100 * time.Millisecond, Deadline: 150 * time.Millisecond, Fall: 3},
		},
		gossip: gossip.Counters{StatesHeard: 7, Joins: 2, Dropped: map[gossip.DropReason]uint64{}},
		fenced: map[string]time.Duration{},
	}
	for i, node := range nodes {
		ago := 20 * time.Millisecond
		if node == self {
			ago = 0
			s.fenced[string(vipOf(i))] = 500 * time.Millisecond
			s.facts.Addresses = []control.AddressFacts{{Name: vipOf(i), Prefix: netip.PrefixFrom(netip.MustParseAddr(string(vipOf(i))), 32), Interface: "eth0", Since: now}}
		}
		s.status.Voters = append(s.status.Voters, core.VoterStatus{Name: node, Heard: true, Ago: ago, RTT: 300 * time.Microsecond})
		n := core.NodeStatus{Name: node, Voter: true, Heard: true, Ago: ago, State: core.NodeState{
			Node: node, Build: build, Quorate: true, Detector: "process connector", Fence: "nftables", List: core.ListID{Digest: 1}, Config: digest[:12],
			Instances: []core.InstanceState{{Address: instance, Known: true, Up: true, PID: 40 + i, Conns: 1024}},
		}}
		for j := range nodes {
			part := core.VIPState{Name: vipOf(j), Clean: j != i, Epoch: 4}
			if j == i {
				part.Role, part.HeldFor = core.Holding, 3*time.Hour
			}
			n.State.VIPs = append(n.State.VIPs, part)
		}
		s.status.Nodes = append(s.status.Nodes, n)
		v := core.VIPStatus{Name: vipOf(i), Home: node, Holder: node, Holding: true, HeldFor: 3 * time.Hour, Epoch: 4}
		for _, other := range nodes {
			if other != node {
				v.Candidates = append(v.Candidates, core.CandidateStatus{Node: other, Clean: true, Held: 1})
			}
		}
		if node == self {
			v.Lease = &core.LeaseStatus{Term: core.Term{Epoch: 4, Node: node, ID: 1}, Left: 440 * time.Millisecond, GrantedBy: nodes, Confirmed: nodes}
		}
		s.status.VIPs = append(s.status.VIPs, v)
		s.facts.Clients[vipOf(i)] = 10 * (i + 1)
		s.facts.VIPs = append(s.facts.VIPs, control.VIPFacts{Name: vipOf(i), Prefix: netip.PrefixFrom(netip.MustParseAddr(string(vipOf(i))), 32), Interface: "eth0", Instance: instance})
	}
	return s
}

// node is what the node said of itself.
func (s *situation) node(name string) *core.NodeStatus {
	return &s.status.Nodes[slices.Index(nodes, name)]
}

// look is what the agent would tell.
func (s *situation) look(context.Context) (Look, error) {
	for i, v := range s.status.VIPs {
		s.status.VIPs[i].HomeState = s.node(v.Home).State.VIPs[i]
	}
	return Look{Report: control.Build(s.status, s.facts), Gossip: s.gossip, Fenced: s.fenced}, nil
}

// memcachedGone is the cluster after memcached died at cache1: cache3 serves its VIP too.
func memcachedGone(self string) *situation {
	s := healthy(self)
	s.status.VIPs[0].Holder, s.status.VIPs[0].Epoch, s.status.VIPs[0].HeldFor = "cache3", 5, time.Minute
	s.status.VIPs[0].Candidates, s.status.VIPs[0].Lease = []core.CandidateStatus{{Node: "cache2", Clean: true, Held: 1}}, nil
	for i := range s.status.VIPs {
		s.status.VIPs[i].Candidates = slices.DeleteFunc(s.status.VIPs[i].Candidates, func(c core.CandidateStatus) bool { return c.Node == "cache1" })
	}
	dead, standIn := &s.node("cache1").State, &s.node("cache3").State
	dead.Instances[0].Up, dead.Instances[0].Reason = false, "exited"
	for i := range dead.VIPs {
		dead.VIPs[i].Standing, dead.VIPs[i].Clean = core.InstanceDown, false
	}
	dead.VIPs[0].Role, dead.VIPs[0].Coming = core.Idle, core.AwayIneligible
	standIn.VIPs[0].Role, standIn.VIPs[0].Clean, standIn.VIPs[0].Epoch, standIn.VIPs[0].HeldFor = core.Holding, false, 5, time.Minute
	switch self {
	case "cache1":
		s.facts.Addresses, s.fenced = nil, nil
	case "cache3":
		s.facts.Addresses = append(s.facts.Addresses, control.AddressFacts{Name: vipOf(0), Prefix: netip.MustParsePrefix("10.0.0.101/32"), Interface: "eth0", Since: s.facts.Now})
		s.fenced[string(vipOf(0))] = 500 * time.Millisecond
		s.status.VIPs[0].Lease = s.status.VIPs[2].Lease
	}
	return s
}

// newMetrics are those of a node, with a pretended memcached.
func newMetrics(t *testing.T, self string, look func(context.Context) (Look, error)) *Metrics {
	t.Helper()
	server := fake.New(fake.Options{})
	t.Cleanup(server.Close)
	address, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := New(optionsOf(self, look, Instance{Name: instance, Address: address}))
	t.Cleanup(m.Close)
	return m
}

func optionsOf(self string, look func(context.Context) (Look, error), instances ...Instance) Options {
	return Options{
		Cluster: "cache-prod", Node: self, Lease: 600 * time.Millisecond, Instances: instances, Look: look,
		VIPs: []core.Name{vipOf(0), vipOf(1), vipOf(2)}, Complain: log.New(io.Discard, "", 0),
	}
}
