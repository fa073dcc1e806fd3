package core

import "cmp"

// A node refuses a VIP when it could serve it and may not: its memcached may hold old values or cannot be proved empty,
// what it would have to write down cannot be written, or the address is somebody else's. Who reads the log then finds
// out why a VIP stays down, or away from home, from the node that knows. That memcached is dead, a link down or a node
// drained is no refusal, and has its own line.

// refusalPatience, in leases, is how long a reason must last before it is told: a failover is over by then, and a
// memcached that had only to be flushed or restarted has been.
const refusalPatience = 4

// RefusalWord is what a Transition that tells of a refusal ends at.
const RefusalWord = "refusing"

// willingWord is where the first of a row begins.
const willingWord = "willing"

// refusal is what a node has told, or is about to tell, of why it does not take a VIP.
type refusal struct {
	cause Cause // "": none
	since Instant
	told  Cause // "": none since the node was last willing
}

// verdictOn is what a node would say if it were asked to take a VIP now.
type verdictOn uint8

const (
	willing   verdictOn = iota // or not asked to
	undecided                  // it may be before long
	refuses
)

// noteRefusal tells when the reason why this node does not take a VIP has become another, once it has lasted.
func (m *Machine) noteRefusal(v *site) {
	r := &v.refusal
	verdict, cause, detail := m.refusalOf(v)
	if verdict == refuses && !m.wanted(v) {
		verdict = willing
	}
	switch {
	case verdict == undecided:
		return
	case verdict == willing:
		*r = refusal{}
		return
	case r.cause != cause:
		r.cause, r.since = cause, m.now
	}
	if r.told == cause || m.now.Sub(r.since) < refusalPatience*m.cfg.Lease {
		return
	}
	from := willingWord
	if r.told != "" {
		from = RefusalWord
	}
	r.told = cause
	m.count("refusal")
	m.emit(Transition{Name: v.Name, From: from, To: RefusalWord, Cause: cause, Detail: detail})
}

// wanted reports whether this node should take a VIP if it could: nobody has it, or it is away from its home here, which
// is to have it back unasked.
func (m *Machine) wanted(v *site) bool {
	holder, _ := m.holderOf(v.lease)
	if holder == "" {
		return true
	}
	unasked := v.Failback == FailbackAuto && !m.pause.On
	return v.own && holder != m.cfg.Node && (unasked || v.coming.asked)
}

// refusalOf says whether a VIP that nobody has would be refused here, and why.
func (m *Machine) refusalOf(v *site) (verdict verdictOn, cause Cause, detail string) {
	if v.lease.role != Idle {
		return willing, "", ""
	}
	switch m.standing(v) {
	case Excluded, NoInstance, InstanceDown, LinkDown, Draining, Stopping:
		return willing, "", ""
	case InstanceUnknown, InstanceFlushing, NotQuorate:
		return undecided, "", ""
	case Unprovable:
		return refuses, CauseUnprovable, v.in.unprovable
	case ConnectionsLeft:
		return refuses, CauseConnectionsLeft, v.in.trouble
	case AddressStuck, OtherHands:
		return refuses, CauseAddress, cmp.Or(v.stuck, v.contestedWhy)
	case DiskBroken:
		return refuses, CauseDisk, m.journal.err
	case ForeignHost:
		return refuses, CauseForeignHost, ""
	case Eligible:
	}
	return m.taintOf(v)
}

// taintOf is refusalOf where nothing but the cache may stand in the way.
func (m *Machine) taintOf(v *site) (verdict verdictOn, cause Cause, detail string) {
	switch in := v.in; {
	case v.clean() || m.mayContinue(v):
		return willing, "", ""
	case in.trouble != "":
		return refuses, CauseTainted, in.trouble
	case in.inUse():
		return refuses, CauseTainted, "it is in use for another VIP"
	}
	return undecided, "", "" // on its way to a proof
}

// inUse reports whether an instance serves a VIP on this node, or is about to.
func (in *instance) inUse() bool {
	for _, v := range in.sites {
		if v.lease.role != Idle {
			return true
		}
	}
	return false
}
