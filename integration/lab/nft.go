package lab

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The switch drops what one port sends to another with an nftables table of the bridge family, the
// only place where a pair of ports can be parted for every kind of packet, ARP included, and in a
// user namespace. The dozen bytes that this takes are written here: the lab needs no nft binary.

const (
	familyBridge  = 7 // NFPROTO_BRIDGE
	hookForward   = 2 // NF_BR_FORWARD
	verdictDrop   = 0 // NF_DROP
	netfilterType = unix.NFNL_SUBSYS_NFTABLES << 8
)

// pair is one direction between two ports of the switch, by interface index.
type pair struct{ from, to uint32 }

// nftBatch is one transaction: the kernel takes all of it or nothing.
type nftBatch struct {
	b   []byte
	seq uint32 // sequence number of the last message
}

// dropBatch replaces the lab's table by one that drops exactly the given pairs.
func dropBatch(pairs []pair) *nftBatch {
	const table, chain = "memvip-lab\x00", "parted\x00"
	m := &nftBatch{}
	m.bracket(unix.NFNL_MSG_BATCH_BEGIN)
	named := attr(unix.NFTA_TABLE_NAME, []byte(table))
	m.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, named) // so that there is one to delete
	m.add(unix.NFT_MSG_DELTABLE, 0, named)
	m.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, named)
	m.add(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, join(
		attr(unix.NFTA_CHAIN_TABLE, []byte(table)),
		attr(unix.NFTA_CHAIN_NAME, []byte(chain)),
		nest(unix.NFTA_CHAIN_HOOK, attr(unix.NFTA_HOOK_HOOKNUM, be32(hookForward)), attr(unix.NFTA_HOOK_PRIORITY, be32(0))),
		attr(unix.NFTA_CHAIN_TYPE, []byte("filter\x00")),
	))
	for _, p := range pairs {
		m.add(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, join(
			attr(unix.NFTA_RULE_TABLE, []byte(table)),
			attr(unix.NFTA_RULE_CHAIN, []byte(chain)),
			nest(unix.NFTA_RULE_EXPRESSIONS,
				expression("meta", attr(unix.NFTA_META_KEY, be32(unix.NFT_META_IIF)), attr(unix.NFTA_META_DREG, be32(unix.NFT_REG_1))),
				expression("cmp", equals(p.from)...),
				expression("meta", attr(unix.NFTA_META_KEY, be32(unix.NFT_META_OIF)), attr(unix.NFTA_META_DREG, be32(unix.NFT_REG_1))),
				expression("cmp", equals(p.to)...),
				expression("immediate", attr(unix.NFTA_IMMEDIATE_DREG, be32(unix.NFT_REG_VERDICT)),
					nest(unix.NFTA_IMMEDIATE_DATA, nest(unix.NFTA_DATA_VERDICT, attr(unix.NFTA_VERDICT_CODE, be32(verdictDrop))))),
			),
		))
	}
	m.bracket(unix.NFNL_MSG_BATCH_END)
	return m
}

// equals compares register 1 with an interface index, which the kernel keeps in its own byte order.
func equals(index uint32) [][]byte {
	return [][]byte{
		attr(unix.NFTA_CMP_SREG, be32(unix.NFT_REG_1)),
		attr(unix.NFTA_CMP_OP, be32(unix.NFT_CMP_EQ)),
		nest(unix.NFTA_CMP_DATA, attr(unix.NFTA_DATA_VALUE, binary.NativeEndian.AppendUint32(nil, index))),
	}
}

func expression(name string, data ...[]byte) []byte {
	return nest(unix.NFTA_LIST_ELEM, attr(unix.NFTA_EXPR_NAME, []byte(name+"\x00")), nest(unix.NFTA_EXPR_DATA, data...))
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// attr is one netlink attribute, padded.
func attr(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func nest(kind uint16, parts ...[]byte) []byte { return attr(kind|unix.NLA_F_NESTED, join(parts...)) }

// add appends a message that the kernel shall acknowledge.
func (m *nftBatch) add(kind uint16, flags uint16, attrs []byte) {
	m.message(netfilterType|kind, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK, familyBridge, 0, attrs)
}

// bracket appends the message that opens or closes the transaction.
func (m *nftBatch) bracket(kind uint16) {
	m.message(kind, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
}

func (m *nftBatch) message(kind, flags uint16, family uint8, resource uint16, attrs []byte) {
	const nfgenmsgLen = 4
	m.seq++
	m.b = binary.NativeEndian.AppendUint32(m.b, uint32(unix.SizeofNlMsghdr+nfgenmsgLen+len(attrs)))
	m.b = binary.NativeEndian.AppendUint16(m.b, kind)
	m.b = binary.NativeEndian.AppendUint16(m.b, flags)
	m.b = binary.NativeEndian.AppendUint32(m.b, m.seq)
	m.b = binary.NativeEndian.AppendUint32(m.b, 0)
	m.b = append(m.b, family, unix.NFNETLINK_V0)
	m.b = binary.BigEndian.AppendUint16(m.b, resource)
	m.b = append(m.b, attrs...)
}

// commit sends the transaction in the caller's network namespace and waits for every acknowledgement.
func (m *nftBatch) commit() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("lab: nftables: open socket: %w", err)
	}
	defer unix.Close(fd)
	wait := unix.Timeval{Sec: 2}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return fmt.Errorf("lab: nftables: set time-out: %w", err)
	}
	if err := unix.Sendto(fd, m.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("lab: nftables: send: %w", err)
	}
	buf := make([]byte, 1<<16)
	for acks := m.seq - 2; acks > 0; { // the two brackets are not acknowledged
		n, err := unix.Read(fd, buf)
		if err != nil {
			return fmt.Errorf("lab: nftables: read answer: %w", err)
		}
		got, err := readAcks(buf[:n])
		if err != nil {
			return fmt.Errorf("lab: nftables: %w", err)
		}
		if got > acks {
			return errors.New("lab: nftables: more answers than questions")
		}
		acks -= got
	}
	return nil
}

// readAcks counts the acknowledgements in b, or returns the first error in it.
func readAcks(b []byte) (uint32, error) {
	var acks uint32
	for len(b) >= unix.SizeofNlMsghdr+4 {
		length := int(binary.NativeEndian.Uint32(b))
		if length < unix.SizeofNlMsghdr+4 || length > len(b) {
			return 0, fmt.Errorf("message of %d bytes in %d", length, len(b))
		}
		if kind := binary.NativeEndian.Uint16(b[4:]); kind == unix.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])); code != 0 {
				return 0, unix.Errno(-code)
			}
			acks++
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return acks, nil
}
