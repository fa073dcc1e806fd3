package vip

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Elements of the fence's sets are changed by this package's own messages, in two system calls: the library has the kernel
// confirm every element, and reads each answer twice.

// insertions put an address into sets for a time.
func insertions(sets []*nftables.Set, ip netip.Addr, timeout time.Duration) []change {
	list := make([]change, len(sets))
	for i, s := range sets {
		list[i] = change{unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, elementBody(s, ip, encodeTimeout(make([]byte, timeoutBytes), timeout))}
	}
	return list
}

// deletions take an address out of sets.
func deletions(sets []*nftables.Set, ip netip.Addr) []change {
	list := make([]change, len(sets))
	for i, s := range sets {
		list[i] = change{kind: unix.NFT_MSG_DELSETELEM, body: elementBody(s, ip, nil)}
	}
	return list
}

// encodeTimeout writes what the kernel takes for a timeout into b, and returns it.
func encodeTimeout(b []byte, timeout time.Duration) []byte {
	binary.BigEndian.PutUint64(b, uint64(wholeMilliseconds(timeout).Milliseconds()))
	return b
}

// A renewal is the transaction that gives an address's elements a new timeout, if they are all there. It is what the
// fence does some times a second for each address that is up, so it is put together once.
type renewal struct {
	changes  []change
	timeouts [][]byte // in changes
}

// newRenewal puts together the one for these sets, which hold the address.
func newRenewal(ip netip.Addr, sets []*nftables.Set) *renewal {
	added := insertions(sets, ip, 0)
	r := &renewal{changes: append(deletions(sets, ip), added...)}
	for _, c := range added {
		r.timeouts = append(r.timeouts, c.body[len(c.body)-timeoutBytes:])
	}
	return r
}

// timeoutBytes is the length of a timeout, which elementBody puts last.
const timeoutBytes = 8

// lasting returns the transaction with that timeout. It is good until the next call.
func (r *renewal) lasting(timeout time.Duration) []change {
	for _, t := range r.timeouts {
		encodeTimeout(t, timeout)
	}
	return r.changes
}

// elementBody is the body of a message about one element of a set.
func elementBody(s *nftables.Set, ip netip.Addr, timeout []byte) []byte {
	const nested = unix.NLA_F_NESTED
	element := appendAttribute(nil, unix.NFTA_SET_ELEM_KEY|nested, appendAttribute(nil, unix.NFTA_DATA_VALUE, ip.AsSlice()))
	if timeout != nil {
		element = appendAttribute(element, unix.NFTA_SET_ELEM_TIMEOUT, timeout)
	}
	body := []byte{byte(s.Table.Family), unix.NFNETLINK_V0, 0, 0}
	body = appendAttribute(body, unix.NFTA_SET_ELEM_LIST_TABLE, append([]byte(s.Table.Name), 0))
	body = appendAttribute(body, unix.NFTA_SET_ELEM_LIST_SET, append([]byte(s.Name), 0))
	return appendAttribute(body, unix.NFTA_SET_ELEM_LIST_ELEMENTS|nested, appendAttribute(nil, unix.NFTA_LIST_ELEM|nested, element))
}
