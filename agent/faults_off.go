//go:build !faults

package agent

import (
	"net/netip"

	"memvip/vip"
)

// withFaults has no part in a build that is meant to be run: what goes in comes out. Only the build tag
// "faults" brings the other one, whatever the environment says; see faults_on.go.
func withFaults(port instancePort, _ *diary) instancePort { return port }

// withRecalls has none in it either.
func withRecalls(former func(netip.Addr) []vip.Client, _ *diary) func(netip.Addr) []vip.Client {
	return former
}
