package doctor

import (
	"testing"

	"memvip/agent/control"
)

// goodReport is of three nodes that are alike.
func goodReport() control.Report {
	r := control.Report{
		Node: "a", Config: control.Config{Path: "/etc/memvip/agent.toml", Digest: "0123456789abcdef"},
		Quorum: control.Quorum{Quorate: true, Answering: 3, Voters: 3, Needed: 2},
		VIPs:   []control.VIP{{Address: "10.0.0.101"}},
	}
	for _, name := range []string{"a", "b", "c"} {
		r.Voters = append(r.Voters, control.Voter{Name: name, Heard: true, Answering: true})
		r.Nodes = append(r.Nodes, control.Node{
			Name: name, Self: name == "a", Voter: true, Heard: true, Quorate: true, Build: "v1.0.0",
			Fence: "nftables", Detector: "process connector", VIPs: []control.NodeVIP{{Address: "10.0.0.101"}},
		})
	}
	return r
}

func TestCluster(t *testing.T) {
	alike := []Peer{{"b", "0123456789abcdef"}, {"c", "0123456789abcdef"}}
	for _, c := range []struct {
		name   string
		change func(*control.Report)
		peers  []Peer
		want   want
	}{
		{"fine", func(*control.Report) {}, alike, want{CheckConfigDrift, OK, "a, b and c"}},
		{"drift", func(*control.Report) {}, []Peer{{"b", "ffff"}, {"c", "0123456789abcdef"}}, want{CheckConfigDrift, Warning, "01234567 on a and c; ffff on b|/etc/memvip/agent.toml"}},
		{"only beginnings are told", func(r *control.Report) {
			r.Config.Digest += "f00d"
			r.Nodes[1].Config, r.Nodes[2].Config = "0123456789abcdef", "0123456789abcdef"
		}, nil, want{CheckConfigDrift, OK, "a, b and c"}},
		{"drift of beginnings", func(r *control.Report) {
			r.Config.Digest += "f00d"
			r.Nodes[1].Config, r.Nodes[2].Config = "0123456789abcdef", "ffffffffffffffff"
		}, nil, want{CheckConfigDrift, Warning, "01234567 on a and b; ffffffff on c"}},
		{"a silent node's configuration is of the past", func(r *control.Report) {
			r.Nodes[1].Config, r.Nodes[2].Config, r.Nodes[2].Silent = "0123456789abcdef", "ffffffffffffffff", true
		}, nil, want{CheckConfigDrift, Unknown, "c did not say"}},
		{"one did not say", func(*control.Report) {}, alike[:1], want{CheckConfigDrift, Unknown, "c did not say"}},
		{"versions", func(r *control.Report) { r.Nodes[2].Build = "v1.1.0" }, alike, want{CheckVersions, Warning, "v1.0.0 on a and b; v1.1.0 on c"}},
		{"a version of the past", func(r *control.Report) {
			r.Nodes[2].Build, r.Nodes[2].Silent = "v1.1.0", true
		}, alike, want{CheckVersions, OK, ""}},
		{"foreign owner", func(r *control.Report) {
			r.Nodes[1].VIPs[0].Conflict = control.Conflict{MAC: "02:00:00:00:00:09", Age: 1500}
		}, alike, want{CheckForeignOwner, Failure, "02:00:00:00:00:09|seen by b, 1.5s ago|switches"}},
		{"two members", func(r *control.Report) {
			r.Nodes[0].VIPs[0].Conflict = control.Conflict{MAC: "02:00:00:00:00:03", Node: "c"}
		}, alike, want{CheckForeignOwner, Failure, "also claimed by c|on c: ip address show to 10.0.0.101"}},
		{"voter gone", func(r *control.Report) {
			r.Voters[2].Answering, r.Nodes[2].Silent, r.Quorum.Answering = false, true, 2
		}, alike, want{CheckVoter, Failure, "voter c does not answer a|systemctl"}},
		{"voter heard, and not answering", func(r *control.Report) { r.Voters[2].Answering = false }, alike, want{CheckOneWay, Failure, "voter c is heard here"}},
		{"voter without memory", func(r *control.Report) {
			r.Voters[2].Answering, r.Voters[2].SilentLeft = false, 3100
		}, alike, want{CheckVoter, Warning, "voter c has no state from before, and grants nothing for another 3.1s|wait"}},
		{"voter that refuses", func(r *control.Report) {
			r.Voters[2].Answering, r.Voters[2].RefusalText = false, "c goes by another list of voters"
		}, alike, want{CheckVoter, Failure, "voter c goes by another list of voters|on c: agentctl doctor"}},
		{"voter that refused, and is gone", func(r *control.Report) {
			r.Voters[2].Answering, r.Voters[2].RefusalText, r.Nodes[2].Silent = false, "c goes by another list of voters", true
		}, alike, want{CheckVoter, Failure, "voter c does not answer a"}},
		{"node heard, and not hearing", func(r *control.Report) { r.Nodes[1].Quorate = false }, alike, want{CheckOneWay, Failure, "b is heard here"}},
		{"weak fence", func(r *control.Report) { r.Nodes[1].Fence = "lifetime" }, alike, want{CheckNodeFence, Warning, "of b"}},
		{"no fence", func(r *control.Report) { r.Nodes[1].Fence = "off" }, alike, want{CheckNodeFence, Warning, "b works without"}},
		{"slow detector", func(r *control.Report) { r.Nodes[1].Detector = "connection end" }, alike, want{CheckNodeDetector, Warning, "b is not told"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goodReport()
			c.change(&r)
			if c.peers == nil {
				c.peers = Peers(r)
			}
			wantOnly(t, Cluster(r, c.peers), c.want)
		})
	}
}
