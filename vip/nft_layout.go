package vip

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// layout is the fence's tables as they are written: packets to a managed address that is not in a set "in" are
// dropped, packets from one that is not in "out" before they leave, ARP and neighbour
// advertisements that name it as their sender among them. In words of nft:
//
//	table inet memvip {
//	    chain arriving { type filter hook prerouting priority raw
//	        iifname @links ip daddr @managed4 ip daddr != @in4 meta pkttype host meta l4proto tcp reject with tcp reset
//	        iifname @links ip daddr @managed4 ip daddr != @in4 drop }           # and for ip6
//	    chain entering { type filter hook input priority raw
//	        ip daddr @managed4 ip daddr != @in4 meta l4proto tcp reject with tcp reset
//	        ip daddr @managed4 ip daddr != @in4 drop }                          # and for ip6
//	    chain leaving { type filter hook output priority raw
//	        ip saddr @managed4 ip saddr != @out4 tcp flags & rst == rst accept
//	        ip saddr @managed4 ip saddr != @out4 drop                           # and for ip6
//	        icmpv6 type nd-neighbor-advert icmpv6 taddr @managed6 icmpv6 taddr != @out6 drop }
//	}
//	table arp memvip {
//	    chain leaving { type filter hook output priority 0
//	        arp saddr ip @managed4 arp saddr ip != @out4 drop }
//	}
//
// What comes in by a link on which addresses are taken comes, as a rule, from one who believes this host to be the holder.
// What comes by another, as from a container, may be on its way to the holder through this host; only what would be delivered
// here is stopped. A reset passes so that connections can be ended whose address is not here any more.
type layout struct {
	tables []*nftables.Table
	links  *nftables.Set   // names of those on which addresses are taken
	ip     map[bool]family // by whether it is IPv4
	arp    family
	chains []*nftables.Chain
	rules  []*nftables.Rule
}

// family is the sets for addresses of one family in one table; in is nil in the table of arp.
type family struct{ managed, in, out *nftables.Set }

func newLayout() *layout {
	inet := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	arp := &nftables.Table{Name: tableName, Family: nftables.TableFamilyARP}
	set := func(t *nftables.Table, name string, kind nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{Table: t, Name: name, KeyType: kind, HasTimeout: true}
	}
	ip := func(version string, kind nftables.SetDatatype) family {
		return family{
			managed: set(inet, "managed"+version, kind), in: set(inet, "in"+version, kind), out: set(inet, "out"+version, kind),
		}
	}
	l := &layout{
		tables: []*nftables.Table{inet, arp},
		links:  &nftables.Set{Table: inet, Name: "links", KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian},
		ip:     map[bool]family{true: ip("4", nftables.TypeIPAddr), false: ip("6", nftables.TypeIP6Addr)},
		arp:    family{managed: set(arp, "managed4", nftables.TypeIPAddr), out: set(arp, "out4", nftables.TypeIPAddr)},
	}
	chain := func(t *nftables.Table, name string, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		c := &nftables.Chain{Table: t, Name: name, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: priority}
		l.chains = append(l.chains, c)
		return c
	}
	arriving := chain(inet, "arriving", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	entering := chain(inet, "entering", nftables.ChainHookInput, nftables.ChainPriorityRaw)
	leaving := chain(inet, "leaving", nftables.ChainHookOutput, nftables.ChainPriorityRaw)
	answering := chain(arp, "leaving", nftables.ChainHookRef(arpOutput), nftables.ChainPriorityFilter)
	for _, four := range []bool{true, false} {
		to := shutFor(l.ip[four], four, toAddress)
		l.rule(arriving, by(l.links), to, theHost, tcp, resetBack)
		l.rule(arriving, by(l.links), to, dropped)
		l.rule(entering, to, tcp, resetBack)
		l.rule(entering, to, dropped)
		l.rule(leaving, shutFor(l.ip[four], four, fromAddress), tcp, resetFlag, accepted)
		l.rule(leaving, shutFor(l.ip[four], four, fromAddress), dropped)
	}
	l.rule(leaving, advertisement, shutWhere(payload(expr.PayloadBaseTransportHeader, 8, 16), l.ip[false].managed, l.ip[false].out), dropped)
	l.rule(answering, shutWhere(payload(expr.PayloadBaseNetworkHeader, 14, 4), l.arp.managed, l.arp.out), dropped)
	return l
}

// arpOutput is the hook for ARP packets that leave (NF_ARP_OUT).
const arpOutput nftables.ChainHook = 1

func (l *layout) rule(c *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: c.Table, Chain: c}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	l.rules = append(l.rules, r)
}

// The matches and verdicts that rules are made of.
var (
	dropped   = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	accepted  = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	resetBack = []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}

	theHost       = matches(&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: 1}, []byte{unix.PACKET_HOST})
	tcp           = matches(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{unix.IPPROTO_TCP})
	resetFlag     = withFlag(tcpReset)
	advertisement = append(
		matches(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{unix.IPPROTO_ICMPV6}),
		matches(payload(expr.PayloadBaseTransportHeader, 0, 1), []byte{neighbourAdvertisement})...)
)

const (
	tcpReset               = 1 << 2
	neighbourAdvertisement = 136
)

func matches(load expr.Any, value []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
}

// by matches packets that came in by a link of a set.
func by(links *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: links.Name, SetID: links.ID},
	}
}

// withFlag matches TCP segments that have it.
func withFlag(f byte) []expr.Any {
	return []expr.Any{
		payload(expr.PayloadBaseTransportHeader, 13, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{f}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{f}},
	}
}

func payload(base expr.PayloadBase, offset, length uint32) *expr.Payload {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}
}

// side is where in an IP header an address stands.
type side struct{ four, six uint32 }

var (
	fromAddress = side{four: 12, six: 8}
	toAddress   = side{four: 16, six: 24}
)

// shutFor matches packets of one IP family whose address on that side is managed and not open.
func shutFor(f family, four bool, s side) []expr.Any {
	open := f.out
	if s == toAddress {
		open = f.in
	}
	protocol, load := s.of(four)
	return append(protocol, shutWhere(load, f.managed, open)...)
}

// of matches packets of one IP family, and loads the address on that side.
func (s side) of(four bool) (protocol []expr.Any, load *expr.Payload) {
	family, load := byte(unix.NFPROTO_IPV6), payload(expr.PayloadBaseNetworkHeader, s.six, 16)
	if four {
		family, load = unix.NFPROTO_IPV4, payload(expr.PayloadBaseNetworkHeader, s.four, 4)
	}
	return matches(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{family}), load
}

// shutWhere matches a loaded address that is managed and not open.
func shutWhere(load *expr.Payload, managed, open *nftables.Set) []expr.Any {
	return []expr.Any{
		load,
		&expr.Lookup{SourceRegister: 1, SetName: managed.Name, SetID: managed.ID},
		&expr.Lookup{SourceRegister: 1, SetName: open.Name, SetID: open.ID, Invert: true},
	}
}

// A filling is what sets are to hold.
type filling map[*nftables.Set][]nftables.SetElement

// add has some sets hold an address, for a time or, if it is zero, for good.
func (e filling) add(sets []*nftables.Set, ip netip.Addr, length time.Duration) {
	for _, s := range sets {
		// The kernel takes whole milliseconds, and none for no end.
		e[s] = append(e[s], nftables.SetElement{Key: ip.AsSlice(), Timeout: wholeMilliseconds(length)})
	}
}

// addLink has a set of links hold one.
func (e filling) addLink(links *nftables.Set, name string) {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	e[links] = append(e[links], nftables.SetElement{Key: key})
}

// linkOf is the name of a link from its element.
func linkOf(e nftables.SetElement) string { return string(bytes.TrimRight(e.Key, "\x00")) }

// write puts together what makes the tables anew, in place of those there are. All elements of a set are in one message:
// the kernel acknowledges each, and all of that has to find room in the socket's buffer before the first is read.
func (l *layout) write(c *nftables.Conn, canReject bool, holds filling) {
	l.erase(c)
	for _, t := range l.tables {
		c.AddTable(t)
	}
	for i, s := range l.sets() {
		s.ID = uint32(i) + 1 // counts within the transaction; the library's own counter is everybody's
		_ = c.AddSet(s, nil) // fails for anonymous sets only
	}
	for _, chain := range l.chains {
		c.AddChain(chain)
	}
	for _, r := range l.writable(canReject) {
		c.AddRule(r)
	}
	for _, s := range l.sets() {
		if elements := holds[s]; len(elements) > 0 {
			_ = c.SetAddElements(s, elements) // as AddSet
		}
	}
}

// erase puts together what removes the tables, whether they are there or not.
func (l *layout) erase(c *nftables.Conn) {
	for _, t := range l.tables {
		c.AddTable(t)
		c.DelTable(t)
	}
}

// writable returns the rules, without those that the kernel cannot have.
func (l *layout) writable(canReject bool) []*nftables.Rule {
	var list []*nftables.Rule
	for _, r := range l.rules {
		if _, rejects := r.Exprs[len(r.Exprs)-1].(*expr.Reject); canReject || !rejects {
			list = append(list, r)
		}
	}
	return list
}

func (l *layout) sets() []*nftables.Set {
	list := []*nftables.Set{l.links}
	for _, f := range []family{l.ip[true], l.ip[false], l.arp} {
		for _, s := range []*nftables.Set{f.managed, f.in, f.out} {
			if s != nil {
				list = append(list, s)
			}
		}
	}
	return list
}

// managedSets are the sets that hold a managed address.
func (l *layout) managedSets(ip netip.Addr) []*nftables.Set {
	if ip.Is4() {
		return []*nftables.Set{l.ip[true].managed, l.arp.managed}
	}
	return []*nftables.Set{l.ip[false].managed}
}

// setsOf are the sets that hold an address while packets of a direction pass.
func (l *layout) setsOf(ip netip.Addr, d direction) []*nftables.Set {
	f := l.ip[ip.Is4()]
	switch {
	case d == inbound:
		return []*nftables.Set{f.in}
	case ip.Is4():
		return []*nftables.Set{f.in, f.out, l.arp.out}
	}
	return []*nftables.Set{f.in, f.out}
}

// wholeMilliseconds rounds down, but never to nothing.
func wholeMilliseconds(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return max(time.Millisecond, d.Truncate(time.Millisecond))
}

// stands reports whether the kernel still has every rule, and as many links and managed addresses as there are.
func (l *layout) stands(c *nftables.Conn, canReject bool, links, managed int) bool {
	want := map[*nftables.Chain]int{}
	for _, r := range l.writable(canReject) {
		want[r.Chain]++
	}
	for chain, n := range want {
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil || len(rules) != n {
			return false
		}
	}
	if names, err := c.GetSetElements(l.links); err != nil || len(names) != links {
		return false
	}
	n := 0
	for _, f := range l.ip {
		elements, err := c.GetSetElements(f.managed)
		if err != nil {
			return false
		}
		n += len(elements)
	}
	return n == managed
}
