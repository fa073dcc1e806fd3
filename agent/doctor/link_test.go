package doctor

import (
	"fmt"
	"testing"
	"testing/fstest"
)

// Each row sets one thing of the interfaces or the kernel's settings otherwise than is good.
func TestInterfacesAndSysctls(t *testing.T) {
	shared := fmt.Sprintf(sharedText, "")
	for _, c := range []struct {
		name   string
		text   string
		change func(*host)
		want   want
	}{
		{"down", shared, func(h *host) { h.links[1].up = false }, want{CheckInterface, Failure, "ip link set dev eth0 up"}},
		{"no carrier", shared, func(h *host) { h.links[1].carrier = false }, want{CheckInterface, Failure, "no carrier"}},
		{"no subnet", shared, func(h *host) { h.links[1] = linkOf("eth0", "10.0.0.11/32") }, want{CheckInterface, Failure, "no interface fits 10.0.0.101"}},
		{"two subnets", shared, func(h *host) { h.addLink("eth1", "10.0.0.21/24") }, want{CheckInterface, Failure, "eth0 and eth1"}},
		{"no IPv6", apartText, func(h *host) { h.setSysctl(1, "ipv6", "conf", "eth0", "disable_ipv6") }, want{CheckInterface, Failure, "net.ipv6.conf.eth0.disable_ipv6=0"}},

		{"arp_ignore unread", shared, func(h *host) {
			delete(h.proc.(fstest.MapFS), "sys/net/ipv4/conf/all/arp_ignore")
			delete(h.proc.(fstest.MapFS), "sys/net/ipv4/conf/eth0/arp_ignore")
		}, want{CheckARPIgnore, Unknown, "eth0"}},
		{"arp_ignore silences all", shared, func(h *host) { h.setSysctl(8, "ipv4", "conf", "all", "arp_ignore") }, want{CheckARPIgnore, Failure, "answers nobody|conf.eth0.arp_ignore=1 net.ipv4.conf.all.arp_ignore=1"}},
		{"arp_ignore 2 in the subnet is fine", shared, func(h *host) { h.setSysctl(2, "ipv4", "conf", "eth0", "arp_ignore") }, want{CheckARPIgnore, OK, "eth0"}},
		{"strict, and the way back elsewhere", shared, func(h *host) {
			h.setSysctl(1, "ipv4", "conf", "all", "rp_filter")
			h.addLink("eth1.7", "192.0.2.2/24")
			h.proc.(fstest.MapFS)["self/net/route"].Data = []byte("Iface Destination\neth1.7 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n")
		}, want{CheckReversePath, Warning, "eth1.7|net.ipv4.conf.eth0.rp_filter=2"}},
		{"strict, and the way back here", shared, func(h *host) { h.setSysctl(1, "ipv4", "conf", "eth0", "rp_filter") }, want{CheckReversePath, OK, "the way back"}},
		{"strict, and no default route", shared, func(h *host) {
			h.setSysctl(1, "ipv4", "conf", "eth0", "rp_filter")
			h.proc.(fstest.MapFS)["self/net/route"].Data = []byte("Iface Destination\n")
		}, want{CheckReversePath, OK, "the way back"}},
		{"loose wins over strict", shared, func(h *host) {
			h.setSysctl(1, "ipv4", "conf", "all", "rp_filter")
			h.setSysctl(2, "ipv4", "conf", "eth0", "rp_filter")
			h.proc.(fstest.MapFS)["self/net/route"].Data = []byte("Iface Destination\neth9 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n")
		}, want{CheckReversePath, OK, "eth0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := goodHost(loaded(t, c.text))
			c.change(h)
			wantOnly(t, h.look(t.Context()), c.want)
		})
	}
}

// Two interfaces on one subnet: each of the three settings of the other one matters, and is fine once it is set.
func TestTwins(t *testing.T) {
	named := `
[cluster]
name     = "cache-prod"
voters   = { cache1 = "10.0.0.11", cache2 = "10.0.0.12", cache3 = "10.0.0.13" }
key_file = "gossip.key"
[memcached]
address = "127.0.0.1:11211"
[[vip]]
address   = "10.0.0.101"
interface = "eth0"
home      = "cache1"
`
	severities := func(ignore, announce, filter int) map[Check]Severity {
		h := goodHost(loaded(t, named))
		h.addLink("eth1", "10.0.0.21/24")
		h.setSysctl(ignore, "ipv4", "conf", "eth1", "arp_ignore")
		h.setSysctl(announce, "ipv4", "conf", "eth1", "arp_announce")
		h.setSysctl(filter, "ipv4", "conf", "eth0", "rp_filter")
		got := map[Check]Severity{}
		for _, f := range h.sysctls() {
			complete(t, f)
			got[f.Check] = f.Severity
		}
		return got
	}
	for _, c := range []struct {
		ignore, announce, filter int
		want                     map[Check]Severity
	}{
		{0, 0, 0, map[Check]Severity{CheckARPIgnore: Warning, CheckARPAnnounce: Warning, CheckReversePath: OK}},
		{1, 1, 1, map[Check]Severity{CheckARPIgnore: OK, CheckARPAnnounce: Warning, CheckReversePath: Warning}},
		{1, 2, 2, map[Check]Severity{CheckARPIgnore: OK, CheckARPAnnounce: OK, CheckReversePath: OK}},
	} {
		if got := severities(c.ignore, c.announce, c.filter); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("arp_ignore %d, arp_announce %d, rp_filter %d: got %v, want %v", c.ignore, c.announce, c.filter, got, c.want)
		}
	}
	apart := goodHost(loaded(t, named))
	apart.links[1] = linkOf("eth0", "192.0.2.11/24", "10.0.0.11/32")
	apart.setSysctl(2, "ipv4", "conf", "eth0", "arp_ignore")
	wantOnly(t, apart.look(t.Context()), want{CheckARPIgnore, Failure, "no subnet around 10.0.0.101"})
}
