package configs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Metrics is where the agents tell Prometheus of themselves.
type Metrics struct {
	// Listen is where they answer; zero: nowhere. It fits every host: a loopback address, a wildcard, or one that every
	// host has.
	Listen netip.AddrPort
}

// readMetrics reads [metrics]. The file is the same on every host, so an address that only one of them has will not do.
func readMetrics(t *table, c Cluster, m Memcached, vips []VIP) Metrics {
	listen, ok := readListen(t)
	if ok {
		checkListen(t, listen, c, m, vips)
	}
	t.done()
	return Metrics{Listen: listen}
}

const expectedListen = `an address and port such as "127.0.0.1:9750" or "[::]:9750", or ":9750" for the loopback address alone`

// readListen reads where to listen. Without an address that is the loopback address: what is told is nobody's secret,
// but who opens a port to a network has to write that down.
func readListen(t *table) (netip.AddrPort, bool) {
	s, ok := t.text("listen", expectedListen)
	if !ok || s == "" {
		return netip.AddrPort{}, false
	}
	full := s
	if strings.HasPrefix(s, ":") {
		full = loopbackDefault + s
	}
	listen, err := netip.ParseAddrPort(full)
	switch {
	case err != nil:
		t.bad("listen", quote(s)+" is no address and port (names are not looked up)", expectedListen)
	case listen.Port() == 0:
		t.bad("listen", quote(s)+" has port 0", expectedListen)
	case unfit(listen.Addr()) != "" && !listen.Addr().IsUnspecified():
		t.bad("listen", quote(s)+" is "+unfit(listen.Addr()), expectedListen)
	default:
		return listen, true
	}
	return netip.AddrPort{}, false
}

// checkListen looks at what else is at that address.
func checkListen(t *table, listen netip.AddrPort, c Cluster, m Memcached, vips []VIP) {
	addr := listen.Addr()
	if slices.ContainsFunc(vips, func(v VIP) bool { return v.Prefix.Addr() == addr }) {
		t.bad("listen", addr.String()+" is a vip, which moves", expectedListen)
		return
	}
	members := slices.Concat(c.Voters, c.Nodes)
	at := func(n Member) bool { return n.Addr == addr }
	if i := slices.IndexFunc(members, at); i >= 0 && !addr.IsLoopback() {
		t.bad("listen", addr.String()+" is the address of "+members[i].Name+" alone", expectedListen)
		return
	}
	if int(listen.Port()) == c.Port && (addr.IsUnspecified() || addr.IsLoopback() && slices.ContainsFunc(members, at)) {
		t.bad("listen", fmt.Sprintf("%s is where nodes talk to each other (cluster.port)", listen), "another port")
		return
	}
	for _, instance := range append(instancesOf(vips), m.Address) {
		if instance.Port() == listen.Port() && (instance.Addr() == addr || addr.IsUnspecified()) {
			t.bad("listen", fmt.Sprintf("%s is where memcached listens (%s)", listen, instance), "another port")
			return
		}
	}
	if !addr.IsLoopback() && !addr.IsUnspecified() {
		t.warn("listen", "%s: every host must have this address, or its metrics are not served", addr)
	}
}

func instancesOf(vips []VIP) []netip.AddrPort {
	var list []netip.AddrPort
	for _, v := range vips {
		list = append(list, v.Instance)
	}
	return list
}
