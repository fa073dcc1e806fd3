package lab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// lossTable drops packets on their way through the switch, beside the table that parts ports. In words of nft:
//
//	table bridge memvip-loss {
//	    chain lost { type filter hook forward priority 0
//	        meta protocol ip ip protocol udp numgen random mod 1000 < N drop }
//	}
var lossTable = &nftables.Table{Name: "memvip-loss", Family: nftables.TableFamilyBridge}

const perMilleMax = 1000

// Lose has the switch drop so many of a thousand UDP packets from now on, drawn one by one, whoever sends them to
// whomever: all that agents say to each other but their TCP streams. 0 ends it.
func (l *Lab) Lose(perMille int) error {
	if perMille < 0 || perMille > perMilleMax {
		return fmt.Errorf("lab: lose %d of 1000 packets: want 0 to %d", perMille, perMilleMax)
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(l.net.sw.ns)))
	if err != nil {
		return fmt.Errorf("lab: lose packets: open netlink: %w", err)
	}
	c.AddTable(lossTable) // so that there is one to delete
	c.DelTable(lossTable)
	if perMille > 0 {
		c.AddTable(lossTable)
		chain := c.AddChain(&nftables.Chain{
			Name: "lost", Table: lossTable, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward,
			Priority: nftables.ChainPriorityRef(0),
		})
		c.AddRule(&nftables.Rule{Table: lossTable, Chain: chain, Exprs: lossRule(uint32(perMille))})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("lab: lose %d of 1000 packets: %w", perMille, err)
	}
	return nil
}

// lossRule drops that share of UDP packets.
func lossRule(perMille uint32) []expr.Any {
	const protocolAt = 9 // in IPv4's header
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(unix.ETH_P_IP)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: protocolAt, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Numgen{Register: 1, Modulus: perMilleMax, Type: unix.NFT_NG_RANDOM},
		// The kernel compares from the first byte on.
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(perMille)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}
