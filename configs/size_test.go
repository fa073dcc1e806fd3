package configs

import (
	"fmt"
	"strings"
	"testing"
)

func TestClustersAreBounded(t *testing.T) {
	var nodes, vips strings.Builder
	for i := range sizeMax {
		fmt.Fprintf(&nodes, "more%d = \"10.1.%d.%d\"\n", i, i/200, i%200+1)
		fmt.Fprintf(&vips, "[[vip]]\naddress = \"10.0.%d.%d\"\nhome = \"cache1\"\ninterface = \"eth0\"\n", 2+i/200, i%200+1)
	}
	for _, c := range []struct {
		name, text, says string
	}{
		{"nodes", strings.Replace(good, "cache3 = \"10.0.0.13\"\n", "cache3 = \"10.0.0.13\"\n"+nodes.String(), 1),
			"agent.toml:15: cluster.nodes: 254 voters and nodes; expected at most 250; larger sites are several clusters"},
		{"VIPs", good + "\n" + vips.String(),
			"agent.toml:28: vip: 252 service addresses; expected at most 250; larger sites are several clusters"},
	} {
		_, err := Parse("agent.toml", c.text)
		if err == nil || err.Error() != c.says {
			t.Errorf("too many %s:\n got %v\nwant %s", c.name, err, c.says)
		}
	}
}
