package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/integration/shell"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agentctl": main})
}

// TestScripts runs the sessions of testdata/script. Beyond package shell's commands they have:
//
//	agent SOCKET SITUATION   an agent whose cluster is well, degraded, unserved, has lost a node, or is rotating keys
//	dead SOCKET              a socket whose agent is dead
//	frozen SOCKET            an agent that takes connections and never answers
//	other SOCKET TEXT        something that answers with a line of text
//	mode FILE MODE           demands a file's mode
func TestScripts(t *testing.T) {
	noSocket := func(env *testscript.Env) error {
		env.Setenv(socketVariable, "")
		env.Setenv("TZ", "UTC")
		return nil
	}
	shell.Run(t, noSocket, shell.Commands{
		"agent": agentCmd, "dead": deadCmd, "frozen": frozenCmd, "other": otherCmd, "mode": modeCmd,
	})
}

func agentCmd(ts *testscript.TestScript, _ bool, args []string) {
	report, ok := situations[args[1]]
	if !ok {
		ts.Fatalf("no situation %q", args[1])
	}
	server, err := control.Serve(ts.MkAbs(args[0]), func(_ context.Context, r control.Request) control.Response {
		return fakeAnswer(report, r)
	})
	ts.Check(err)
	ts.Defer(func() { ts.Check(server.Close()) })
}

func deadCmd(ts *testscript.TestScript, _ bool, args []string) {
	l := listen(ts, args[0])
	l.SetUnlinkOnClose(false)
	ts.Check(l.Close())
}

func frozenCmd(ts *testscript.TestScript, _ bool, args []string) {
	l := listen(ts, args[0])
	ts.Defer(func() { ts.Check(l.Close()) })
}

func otherCmd(ts *testscript.TestScript, _ bool, args []string) {
	l := listen(ts, args[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = conn.Write([]byte(args[1] + "\n"))
		_ = conn.Close()
	}()
	ts.Defer(func() {
		ts.Check(l.Close())
		<-done
	})
}

func listen(ts *testscript.TestScript, path string) *net.UnixListener {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ts.MkAbs(path), Net: "unix"})
	ts.Check(err)
	return l
}

func modeCmd(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", filepath.Base(args[0]), got, args[1])
	}
}

// situations are the clusters that a fake agent reports.
var situations = map[string]func() control.Report{
	"well":     func() control.Report { return control.Build(well(), facts()) },
	"degraded": func() control.Report { return control.Build(degraded(), facts()) },
	"unserved": func() control.Report { return control.Build(unserved(), facts()) },
	"lost":     func() control.Report { return control.Build(lost(), facts()) },
	"rotating": func() control.Report { return control.Build(well(), rotating()) },
}

const (
	vip      = "10.0.0.101"
	instance = "127.0.0.1:11211"
)

func facts() control.Facts {
	return control.Facts{
		Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Build: "0.1.0", Cluster: "cache-prod", Lease: 600 * time.Millisecond,
		ConfigPath: "/etc/memvip/agent.toml", ConfigDigest: "5eed5eed5eed5eedf00d", Detector: "process connector",
		Settings: control.Settings{Lease: 600 * time.Millisecond, Drift: 0.01, Interval: 100 * time.Millisecond, Deadline: 150 * time.Millisecond, Fall: 3},
		VIPs:     []control.VIPFacts{{Name: vip, Instance: instance, Unit: "memcached"}},
	}
}

func well() core.Status {
	s := core.Status{Node: "cache2", Quorate: true, VIPs: []core.VIPStatus{{
		Name: vip, Home: "cache1", Holder: "cache1", Holding: true, HeldFor: time.Minute, Epoch: 7,
	}}}
	for _, n := range []string{"cache1", "cache2", "cache3"} {
		s.Voters = append(s.Voters, core.VoterStatus{Name: n, Heard: true})
		s.Nodes = append(s.Nodes, core.NodeStatus{Name: n, Voter: true, Heard: true, State: core.NodeState{
			Node: n, Quorate: true, Build: "0.1.0", Config: "5eed5eed5eed5eed", Fence: "nftables", Detector: "process connector",
			Instances: []core.InstanceState{{Address: instance, Known: true, Up: true}},
			VIPs:      []core.VIPState{{Name: vip, Clean: true}},
		}})
	}
	s.Nodes[0].State.VIPs[0] = core.VIPState{Name: vip, Role: core.Holding}
	return s
}

// degraded: memcached on cache1 is down, and cache3 serves.
func degraded() core.Status {
	s := well()
	s.Nodes[0].State.Instances[0] = core.InstanceState{Address: instance, Known: true, Reason: "refused"}
	s.Nodes[0].State.VIPs[0] = core.VIPState{Name: vip, Standing: core.InstanceDown, Coming: core.AwayIneligible}
	s.Nodes[2].State.VIPs[0] = core.VIPState{Name: vip, Role: core.Holding}
	s.VIPs[0].Holder, s.VIPs[0].HomeState = "cache3", s.Nodes[0].State.VIPs[0]
	s.VIPs[0].Candidates = []core.CandidateStatus{{Node: "cache2", Clean: true}}
	return s
}

// unserved: and then nobody could.
func unserved() core.Status {
	s := degraded()
	for i := range s.Nodes {
		s.Nodes[i].State.Instances[0] = core.InstanceState{Address: instance, Known: true, Reason: "timeout"}
		s.Nodes[i].State.VIPs[0] = core.VIPState{Name: vip, Standing: core.InstanceDown}
	}
	s.VIPs[0].Holder, s.VIPs[0].Holding, s.VIPs[0].HeldFor = "", false, 0
	s.VIPs[0].Candidates = nil
	return s
}
