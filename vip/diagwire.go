package vip

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The states of TCP sockets, as the kernel numbers them.
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateSynReceived = 3 // and of requests that no process has accepted yet
	stateFinWait1    = 4
	stateFinWait2    = 5
	stateTimeWait    = 6
	stateCloseWait   = 8
	stateLastAck     = 9
	stateListen      = 10
	stateClosing     = 11
)

// connectionStates are those of a connection. A listening socket is none: it has to survive a release,
// since a memcached of one address goes on listening on it.
const connectionStates uint32 = 1<<stateEstablished | 1<<stateSynSent | 1<<stateSynReceived |
	1<<stateFinWait1 | 1<<stateFinWait2 | 1<<stateTimeWait | 1<<stateCloseWait | 1<<stateLastAck | 1<<stateClosing

const (
	// diagDump (TCPDIAG_GETSOCK) is the one request that lists the sockets of all families in a single
	// pass over the kernel's table, which takes 0.5 ms for 2^18 empty places; SOCK_DIAG_BY_FAMILY takes
	// one pass for each. It is what ss uses.
	diagDump = 18

	diagDestroyBytes = 8 + socketIDBytes
	diagAnswerBytes  = 4 + socketIDBytes + 20
	diagBytecode     = 1 // INET_DIAG_REQ_BYTECODE
	diagJump         = 1 // INET_DIAG_BC_JMP
	diagSourceCond   = 7 // INET_DIAG_BC_S_COND
	diagAnyPort      = ^uint32(0)

	diagInfo            = 2  // INET_DIAG_INFO: a struct tcp_info
	diagReceivedOffset  = 52 // tcpi_last_data_recv in it, in milliseconds
	diagExtensionOffset = 3  // which such attributes are wanted, a bit for each

	diagTimerOver = 3 // in an answer, the timer of a connection that is over; one in FIN_WAIT2 may be, by its state
)

// encodeSocketDump asks for the connections whose local address is one of locals. IPv4 matches sockets of a
// listener on [::], too, which have it in IPv6 form.
func encodeSocketDump(locals ...netip.Addr) []byte {
	return encodeDiagDump(connectionStates, sourceFilter(locals...))
}

// encodeConnectionDump asks for the established connections of local addresses, and what the kernel knows of each.
func encodeConnectionDump(locals ...netip.Addr) []byte {
	b := encodeDiagDump(1<<stateEstablished, sourceFilter(locals...))
	b[diagExtensionOffset] = 1 << (diagInfo - 1)
	return b
}

// encodeDiagDump asks for the sockets in some states that a filter program lets through.
func encodeDiagDump(states uint32, filter []byte) []byte {
	b := make([]byte, 4+socketIDBytes) // any family, and a socket's name, which a dump ignores
	b = binary.NativeEndian.AppendUint32(b, states)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return appendAttribute(b, diagBytecode, filter)
}

// encodeSocketDestroy names one socket, by the cookie in its id, for SOCK_DESTROY.
func encodeSocketDestroy(s socket) []byte {
	b := make([]byte, 0, diagDestroyBytes)
	b = append(b, s.family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, 0) // states, of no meaning here
	return append(b, s.id[:]...)
}

// conditionsMax bounds the addresses of one filter: its jumps are counted in 16 bits.
const conditionsMax = 512

// sourceFilter returns the filter program "the local address is one of ips". Each condition that holds goes on to
// a jump to the program's end, which means yes; one that does not goes past that jump, from the last one beyond the end,
// which means no.
func sourceFilter(ips ...netip.Addr) []byte {
	const headBytes, jumpBytes = 12, 4
	rest := 0
	for _, ip := range ips {
		rest += headBytes + ip.BitLen()/8 + jumpBytes
	}
	rest -= jumpBytes // none behind the last
	var b []byte
	for i, ip := range ips {
		family := byte(unix.AF_INET)
		if ip.Is6() {
			family = unix.AF_INET6
		}
		size := headBytes + ip.BitLen()/8
		b = append(b, diagSourceCond, byte(size))
		b = binary.NativeEndian.AppendUint16(b, uint16(size+jumpBytes))
		b = append(b, family, byte(ip.BitLen()), 0, 0)
		b = binary.NativeEndian.AppendUint32(b, diagAnyPort)
		b = append(b, ip.AsSlice()...)
		if rest -= size; i < len(ips)-1 {
			b = append(b, diagJump, jumpBytes)
			b = binary.NativeEndian.AppendUint16(b, uint16(rest))
			rest -= jumpBytes
		}
	}
	return b
}

// A reportedSocket is one socket of an answer.
type reportedSocket struct {
	socket
	state uint8
	local netip.Addr    // never IPv4 in IPv6 form
	quiet time.Duration // since its peer sent the last data, or the connection was made; as long as can be if that was not asked
}

// decodeSocket reads one answer to a socket dump.
func decodeSocket(b []byte) (reportedSocket, error) {
	if len(b) < diagAnswerBytes {
		return reportedSocket{}, errMalformed
	}
	s := reportedSocket{socket: socket{family: b[0], over: b[2] == diagTimerOver}, state: b[1], quiet: math.MaxInt64}
	copy(s.id[:], b[4:])
	const sourceOffset = 4 // after the two ports
	switch s.family {
	case unix.AF_INET:
		s.local = netip.AddrFrom4([4]byte(s.id[sourceOffset:]))
	case unix.AF_INET6:
		s.local = netip.AddrFrom16([16]byte(s.id[sourceOffset:])).Unmap()
	default:
		return reportedSocket{}, errMalformed
	}
	err := eachAttribute(b[diagAnswerBytes:], func(kind uint16, value []byte) {
		if kind == diagInfo && len(value) >= diagReceivedOffset+4 {
			s.quiet = time.Duration(binary.NativeEndian.Uint32(value[diagReceivedOffset:])) * time.Millisecond
		}
	})
	return s, err
}

// ends returns the socket's addresses and ports.
func (s reportedSocket) ends() (local, peer netip.AddrPort) {
	const peerOffset = 4 + 16 // after the ports and the source
	other := netip.AddrFrom4([4]byte(s.id[peerOffset:]))
	if s.family == unix.AF_INET6 {
		other = netip.AddrFrom16([16]byte(s.id[peerOffset:])).Unmap()
	}
	return netip.AddrPortFrom(s.local, binary.BigEndian.Uint16(s.id[0:])), netip.AddrPortFrom(other, binary.BigEndian.Uint16(s.id[2:]))
}

// isConnection reports whether the socket is a connection of one of those local addresses. The kernel's filter says
// so, too; a socket destroyed by mistake would be a server that stops listening.
func (s reportedSocket) isConnection(locals ...netip.Addr) bool {
	return slices.Contains(locals, s.local) && s.state < 32 && connectionStates&(1<<s.state) != 0
}
