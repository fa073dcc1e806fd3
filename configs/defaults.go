package configs

import (
	"cmp"
	"time"
)

// A setting is one tunable: what it is when the file does not say, and the bounds a file must keep to.
type setting[T cmp.Ordered] struct {
	value, floor, ceiling T
}

// The settings, each with its reason. They are right for hosts on one LAN; agent.toml shows the same values.
var (
	// 7946 is the port that memberlist users know and firewalls already have rules for. One port carries
	// gossip and lease messages, TCP and UDP.
	portSetting = setting[int]{value: 7946, floor: 1, ceiling: 65535}

	// A dead host's addresses move when its leases run out, so this is the outage after a power cut. Claims are
	// renewed every lease/4: at 600 ms three renewals in a row may be lost, 150 ms apart, before a healthy
	// holder lets go. It is twice the shortest that was looked at, which lost nothing under what an ordinary day brings (BENCHMARKS.md,
	// "How short a lease stays safe"): a core that stands still for a while is not in that. Below 200 ms a scheduling
	// stall or a full switch queue looks like a death; 5 s is the time for which a voter that lost its memory keeps
	// silent, and no grant may outlive that.
	leaseSetting = setting[time.Duration]{value: 600 * time.Millisecond, floor: 200 * time.Millisecond, ceiling: 5 * time.Second}

	// How far two hosts' clock rates may differ. Quartz is good to 0.01 %, and the kernel's own clock discipline, which ntpd
	// and systemd-timesyncd use, slews by at most 0.05 %, on either host, so 1 % has a reserve of eight. chrony slews by up to
	// 8.3 % while it corrects an offset unless its configuration says less (maxslewrate 1000 is 0.1 %). A holder gives up this
	// share of its lease; raising it costs outage after a holder's death, lowering it below what the clocks do breaks the
	// promise of one holder.
	clockDriftSetting = setting[float64]{value: 0.01, floor: 0.0001, ceiling: 0.1}

	// Time between two probes of a memcached on the connection that is kept open. A probe is four bytes, so
	// ten a second cost nothing; a hang is noticed after about interval + fall × deadline (or interval, if that is
	// longer). A memcached that exits is noticed at once, whatever this says. One that serves nobody here is asked every
	// fourth time.
	intervalSetting = setting[time.Duration]{value: 100 * time.Millisecond, floor: 20 * time.Millisecond, ceiling: 10 * time.Second}

	// How long one probe waits for its answer. A healthy memcached answers in well under a millisecond,
	// so 150 ms allows for a stalled scheduler or a lost packet, and three of them still fit in half a second.
	deadlineSetting = setting[time.Duration]{value: 150 * time.Millisecond, floor: 20 * time.Millisecond, ceiling: 10 * time.Second}

	// Failed probes in a row that make an instance down. One lost answer is no hang; three in a row are.
	fallSetting = setting[int]{value: 3, floor: 1, ceiling: 100}

	// Good probes in a row that make an instance up again, so that one good answer in a bad spell is no cure.
	riseSetting = setting[int]{value: 3, floor: 1, ceiling: 100}

	// Time between two probes on a fresh connection. They rotate over memcached's workers and find a worker
	// that hangs, or a listener that accepts no more, which the kept connection does not see. Each costs
	// memcached an accept, hence ten times rarer; one that serves nobody here gets every fourth.
	freshIntervalSetting = setting[time.Duration]{value: time.Second, floor: 100 * time.Millisecond, ceiling: time.Minute}

	// How long a home must be up, quorate and proved clean before it gets its address back: long enough that
	// a host in a boot loop does not qualify. It doubles with each loss in the last hour, and nothing doubles
	// from zero, hence the floor; the damping is capped at one hour, hence the ceiling.
	failbackDelaySetting = setting[time.Duration]{value: 5 * time.Second, floor: 100 * time.Millisecond, ceiling: time.Hour}

	// How long one run of a hook may take. It is in nobody's way, but the next event of the same VIP waits for it, and
	// what hangs is to be noticed the same day. Whoever tells a load balancer is done in less, and under 100 ms a host
	// that is short of a core at that moment would have its hooks killed.
	hookTimeoutSetting = setting[time.Duration]{value: 10 * time.Second, floor: 100 * time.Millisecond, ceiling: 10 * time.Minute}
)

const (
	// Every host has one fence or the other.
	fenceDefault = FenceAuto

	// An address that is always away from home serves from a colder cache than it could, so going home is
	// what an operator wants unless he says otherwise.
	failbackDefault = FailbackAuto

	// Who stops an agent means to do something to the host, or to end the service there for good; a restart and an
	// upgrade, which should move nothing, are told apart from that without a setting.
	stopDefault = StopHandover

	// The same program has a journal behind it in one place and a terminal or a collector in another, and can tell.
	logFormatDefault = LogAuto

	// A change is info and a probe is debug: silence means that nothing changed.
	logLevelDefault = LogInfo

	// Where an address with a port alone is meant: nobody but this host reads it.
	loopbackDefault = "127.0.0.1"
)

// The bounds that no key of the file moves.
const (
	// With two voters the loss of either stops the cluster, which is worse than having one host.
	votersMin = 3

	// memberlist's AES-256.
	keyBytes = 32

	// A VIP's prefix is a label on an address that makes no route; one shorter than these is a slip of the pen.
	prefixBitsMinV4 = 8
	prefixBitsMinV6 = 32

	// A host name has at most 64 bytes, and a node is named after its host unless --node says otherwise.
	nameBytesMax = 64

	// IFNAMSIZ of the kernel, less the final zero.
	interfaceBytesMax = 15

	// A thousand VIPs fit easily. The bound keeps a wrong path (a core dump, a device) from being read whole.
	fileBytesMax = 256 << 10

	// No key of ours needs more than four levels. The TOML decoder takes time and memory by the square of the
	// nesting: 64 KiB of brackets made it take 18 GiB.
	nestingMax = 16

	// A key file of one key is 45 bytes; the rest is for more of them, and for comments.
	keyFileBytesMax = 4 << 10
)
