package gossip

import (
	"time"

	"github.com/hashicorp/memberlist"
)

// All timing of gossip, with its reasons. Nothing here enters a lease: members come and go for status,
// and states spread, at a pace that is about a person's or a releaser's view of the cluster. It is derived from the
// lease, within bounds that keep an idle node idle: each probe is two packets and four wake-ups on two nodes. With the
// default lease of 600 ms: a probe every 1.8 s, a silent host suspected after 1.8 s per peer in turn and gone from the
// members 3.6 s later, a state told to everybody within 0.3 to 0.6 s.
const (
	// Probes: one in three leases, or in two seconds. Faster costs packets, slower makes Members lag behind leases.
	probeMin, probeMax = 200 * time.Millisecond, 2 * time.Second
	// Gossip rounds: half a lease. A round with nothing to tell costs a wake-up.
	gossipMin, gossipMax = 100 * time.Millisecond, 300 * time.Millisecond
	// Push/pull only repairs what lost packets left behind and no newer state has mended, so it is rare: 50 leases, or half a
	// minute. Each is a stream of a dozen packets.
	pushPullMin, pushPullMax = 5 * time.Second, 30 * time.Second

	// A stream may need one retransmission of its first packet, which comes after a second.
	streamTimeout = 2 * time.Second
	// Dead nodes are forgotten after 16 leases: until then they are told of their death, so that they
	// can contradict; after that one that returns is simply new.
	forgetMin, forgetMax = 2 * time.Second, 30 * time.Second

	// Rejoining: a peer that is not a member is called at once, then after joinFirst, doubling up to
	// joinLast, each with up to a quarter taken off at random, so that the two sides of a healed
	// partition do not call in step.
	joinFirst, joinLast = time.Second, 10 * time.Second

	// packetSize leaves room for IPv6 and UDP headers and memberlist's checksum in 1,500 bytes.
	packetSize = 1400
	// queueDepth is how many of memberlist's own messages may wait to be handled.
	queueDepth = 256
	// leaveRounds is how many gossip rounds a leaving node waits for its goodbye to be told.
	leaveRounds = 3
)

// configure returns memberlist's configuration.
func configure(o Options, keys *memberlist.Keyring) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = o.Node
	c.Label = o.ClusterName
	c.BindAddr, c.BindPort = o.Bind.String(), o.Port
	c.AdvertiseAddr, c.AdvertisePort = c.BindAddr, c.BindPort
	c.Keyring = keys
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = true, true

	c.ProbeInterval = clamp(3*o.Lease, probeMin, probeMax)
	c.ProbeTimeout = c.ProbeInterval / 2 // then others are asked, in the other half
	c.IndirectChecks = 2                 // two others: one may be cut off as well
	c.AwarenessMaxMultiplier = 1         // never stretch a probe: leases tell whether this node is slow
	c.SuspicionMult = 2                  // dead after two probe intervals without a refutation: many gossip rounds
	c.SuspicionMaxTimeoutMult = 1        // however few are left to confirm it
	// A TCP ping would call a node alive whose UDP is cut, and UDP is what leases travel on.
	c.DisableTcpPings = true

	c.GossipInterval = clamp(o.Lease/2, gossipMin, gossipMax)
	c.GossipNodes = 3    // all peers at once in a cluster of four
	c.RetransmitMult = 2 // each state twice per node and decade of nodes, by its own node and all who heard it; and anew after a second
	c.GossipToTheDeadTime = clamp(16*o.Lease, forgetMin, forgetMax)
	c.DeadNodeReclaimTime = c.ProbeInterval // addresses are checked against the configuration anyway
	c.PushPullInterval = clamp(50*o.Lease, pushPullMin, pushPullMax)
	c.TCPTimeout = streamTimeout

	c.EnableCompression = false // packets are small, and a decompressor is one more thing to attack
	c.UDPBufferSize = packetSize
	c.HandoffQueueDepth = queueDepth
	return c
}

func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }
