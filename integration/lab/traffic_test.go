package lab

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// frame is Ethernet, then IPv4 with a header of the given number of words, then two ports.
func frame(etherType uint16, protocol, words byte, fragment, from, to uint16) []byte {
	b := make([]byte, 14+4*int(words))
	binary.BigEndian.PutUint16(b[12:], etherType)
	b[14], b[23] = 0x40|words, protocol
	binary.BigEndian.PutUint16(b[20:], fragment)
	b = binary.BigEndian.AppendUint16(b, from)
	return append(binary.BigEndian.AppendUint16(b, to), make([]byte, 20)...)
}

func TestManagersFilter(t *testing.T) {
	vm, err := bpf.NewVM(managersFilter())
	if err != nil {
		t.Fatal(err)
	}
	const ip, moreFragments, later = unix.ETH_P_IP, 0x2000, 0x0010
	for _, tt := range []struct {
		name  string
		frame []byte
		keep  bool
	}{
		{"ARP", arpFrame{op: arpRequest, senderIP: labAddr(1), targetIP: labAddr(2)}.append(nil), true},
		{"VRRP", frame(ip, protocolVRRP, 5, 0, 0, 0), true},
		{"agents' UDP, sent", frame(ip, unix.IPPROTO_UDP, 5, 0, agentPort, 40000), true},
		{"agents' UDP, received", frame(ip, unix.IPPROTO_UDP, 5, 0, 40000, agentPort), true},
		{"agents' TCP behind IP options", frame(ip, unix.IPPROTO_TCP, 7, 0, 40000, agentPort), true},
		{"a first fragment", frame(ip, unix.IPPROTO_UDP, 5, moreFragments, agentPort, agentPort), true},
		{"a later fragment, which has no ports", frame(ip, unix.IPPROTO_UDP, 5, later, agentPort, agentPort), false},
		{"memcached", frame(ip, unix.IPPROTO_TCP, 5, 0, 40000, Port), false},
		{"ICMP with the port's number in it", frame(ip, unix.IPPROTO_ICMP, 5, 0, agentPort, agentPort), false},
		{"IPv6", frame(unix.ETH_P_IPV6, protocolVRRP, 5, 0, agentPort, agentPort), false},
		{"nothing", nil, false},
	} {
		kept, err := vm.Run(tt.frame)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: max(len(tt.frame), 1), false: 0}[tt.keep]; kept < want || (kept > 0) != tt.keep {
			t.Errorf("%s: %d bytes kept of %d, want all: %v", tt.name, kept, len(tt.frame), tt.keep)
		}
	}
}

func TestTrafficCountsByDirection(t *testing.T) {
	var c Traffic
	c.saw(&unix.SockaddrLinklayer{Pkttype: unix.PACKET_OUTGOING}, 60)
	c.saw(&unix.SockaddrLinklayer{Pkttype: unix.PACKET_MULTICAST}, 70)
	earlier, _ := c.Read()
	c.saw(&unix.SockaddrLinklayer{Pkttype: unix.PACKET_OUTGOING}, 5)
	c.saw(&unix.SockaddrInet4{}, 1000)
	sent, received := c.Read()
	if want := (Flow{Packets: 1, Bytes: 5}); sent.Sub(earlier) != want {
		t.Errorf("sent %+v since, want %+v", sent.Sub(earlier), want)
	}
	if want := (Flow{Packets: 1, Bytes: 70}); received != want {
		t.Errorf("received %+v, want %+v", received, want)
	}
}
