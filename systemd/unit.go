// Package systemd holds the agent's unit, as it is installed and as tests run agents by it.
package systemd

import (
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// Agent is the unit memvip-agent.service.
//
//go:embed memvip-agent.service
var Agent string

// Setting returns what the unit says under a section and a name. It fails if it says that not exactly once.
func Setting(section, name string) (string, error) {
	options, err := unit.DeserializeOptions(strings.NewReader(Agent))
	if err != nil {
		return "", fmt.Errorf("memvip-agent.service: %w", err)
	}
	var values []string
	for _, o := range options {
		if o.Section == section && o.Name == name {
			values = append(values, o.Value)
		}
	}
	if len(values) != 1 {
		return "", fmt.Errorf("memvip-agent.service: [%s] %s: %d lines, want 1", section, name, len(values))
	}
	return values[0], nil
}

// Reaches reports whether the unit lets the agent exchange packets with an address, as long as no drop-in adds to
// IPAddressAllow.
func Reaches(ip netip.Addr) bool {
	allowed, err := Setting("Service", "IPAddressAllow")
	if err != nil {
		return true // nothing is refused
	}
	return slices.ContainsFunc(strings.Fields(allowed), func(word string) bool {
		switch word {
		case "localhost":
			return ip.IsLoopback()
		case "link-local":
			return ip.IsLinkLocalUnicast()
		case "multicast":
			return ip.IsMulticast()
		}
		prefix, err := netip.ParsePrefix(word)
		return err == nil && prefix.Contains(ip)
	})
}
