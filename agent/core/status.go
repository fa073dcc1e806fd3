package core

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Status is what one node knows of the cluster at one instant, with the age of everything it was told.
// It is a copy: reading it never disturbs the machine.
type Status struct {
	Node    string         `json:"node"`
	Quorate bool           `json:"quorate"`
	Voters  []VoterStatus  `json:"voters"`
	VIPs    []VIPStatus    `json:"vips"`
	Nodes   []NodeStatus   `json:"nodes"`
	Pause   Pause          `json:"pause"`
	Change  *VoterChange   `json:"voter_change,omitempty"` // nil while the configured voters are those that count
	Counted map[string]int `json:"counted"`                // refusals, lost saves and the like, by name
}

// VoterChange is why the configured voters are not, or not yet, those that count.
type VoterChange struct {
	Refused  string   `json:"refused"` // why the node does not go on to them, in words; "": it does
	From     []string `json:"from"`    // those that count
	To       []string `json:"to"`
	WaitsFor []string `json:"waits_for"` // voters that have not said yet that they grant to nobody on an older list
}

// VoterStatus is how this node hears one voter.
type VoterStatus struct {
	Name       string        `json:"name"`
	Heard      bool          `json:"heard"`     // has ever answered; one that refuses all it is asked, as without memory, has not
	Ago        time.Duration `json:"ago_ns"`    // since the request that it last answered was sent
	Silent     time.Duration `json:"silent_ns"` // time left of its silence after lost state
	RTT        time.Duration `json:"rtt_ns"`
	LastReason string        `json:"last_refusal"` // its last refusal of a whole claim, "" if none
	Other      string        `json:"other_host"`   // for same_name: the other host's address
}

// VIPStatus is where a VIP is and why.
type VIPStatus struct {
	Name    Name          `json:"name"`
	Home    string        `json:"home"`
	Holder  string        `json:"holder"` // "" if a majority of voters names nobody
	Holding bool          `json:"holding"`
	HeldFor time.Duration `json:"held_for_ns"` // by the holder's own account, aged; 0 if unknown
	Epoch   uint64        `json:"epoch"`
	// HomeState is what the home last said of itself and this VIP; zero if it was never heard.
	HomeState VIPState `json:"home_state"`

	Lease      *LeaseStatus      `json:"lease,omitempty"` // this node's own; nil unless it is taking or holding it
	Candidates []CandidateStatus `json:"candidates"`      // the best first, as this node would choose now
}

// LeaseStatus is what this node has in hand for a VIP.
type LeaseStatus struct {
	Term      Term          `json:"term"`
	Left      time.Duration `json:"left_ns"`    // until the address has to be down, unless it is renewed
	GrantedBy []string      `json:"granted_by"` // voters that granted the newest request or the one before, sorted
	Confirmed []string      `json:"confirmed"`  // voters that answered with this term, as continuity wants it, sorted
}

// CandidateStatus is a node that could take a VIP now, and what it is ranked by, in that order.
type CandidateStatus struct {
	Node      string `json:"node"`
	Continues bool   `json:"continues"` // served last: may go on without a flush, if a majority confirms that
	Home      bool   `json:"home"`
	Clean     bool   `json:"clean"`
	OwesProof bool   `json:"owes_proof"` // its own VIP is away, and it has to be proved clean for that first
	Held      int    `json:"held"`       // VIPs that it holds
}

// NodeStatus is what a node last said of itself.
type NodeStatus struct {
	Name  string        `json:"name"`
	Voter bool          `json:"voter"`
	Heard bool          `json:"heard"`
	Ago   time.Duration `json:"ago_ns"`
	State NodeState     `json:"state"`

	// Claimed is whether claims ever came from the node itself, and ClaimedAgo when the last did. A state may come by way
	// of others. Only a voter is claimed from.
	Claimed    bool          `json:"claimed"`
	ClaimedAgo time.Duration `json:"claimed_ago_ns"`
}

// Status returns what the node knows at now. It changes nothing.
func (m *Machine) Status(now Instant) Status {
	s := Status{Node: m.cfg.Node, Quorate: m.quorate(), Pause: m.pause, Change: m.voterChange(), Counted: maps.Clone(m.counts)}
	for _, v := range m.voters() {
		s.Voters = append(s.Voters, m.voterStatus(now, v))
	}
	own := m.describe()
	for i, v := range m.sites {
		own.VIPs[i].Role, own.VIPs[i].Epoch = v.lease.role, v.lease.term.Epoch
	}
	states := map[string]*heardState{m.cfg.Node: {ratedState: ratedState{state: own}, told: now, at: now}}
	for n, h := range m.states {
		aged := *h
		aged.ratedState = ratedState{state: h.aged()}
		states[n] = &aged
	}
	for _, v := range m.sites {
		s.VIPs = append(s.VIPs, m.vipStatus(now, v, states))
	}
	for _, n := range m.cfg.Nodes {
		h, heard := states[n]
		if !heard {
			h = &heardState{}
		}
		s.Nodes = append(s.Nodes, NodeStatus{
			Name: n, Voter: slices.Contains(m.voters(), n), Heard: heard, Ago: age(now, h.at, heard), State: h.state,
			Claimed: h.claimed != 0, ClaimedAgo: age(now, h.claimed, h.claimed != 0),
		})
	}
	return s
}

func (m *Machine) voterStatus(now Instant, name string) VoterStatus {
	p := m.peer(name)
	v := VoterStatus{Name: name, Heard: p.answered != 0, Ago: age(now, p.answered, p.answered != 0), RTT: p.srtt, Other: p.other}
	if p.silentUntil > now {
		v.Silent = p.silentUntil.Sub(now)
	}
	if p.refused != NotRefused {
		v.LastReason = p.refused.String()
	}
	return v
}

func (m *Machine) vipStatus(now Instant, v *site, states map[string]*heardState) VIPStatus {
	s := VIPStatus{Name: v.Name, Home: v.Home, Epoch: m.heardTerm(v.lease).Epoch}
	s.Holder, s.Holding = m.holderOf(v.lease)
	switch own := v.lease.role; { // what it knows of itself is newer than what voters said
	case own == Holding:
		s.Holder, s.Holding = m.cfg.Node, true
	case s.Holder == m.cfg.Node && (own == Idle || own == Dropping):
		s.Holder, s.Holding = "", false
	}
	if h, ok := states[s.Holder]; ok {
		if x, ok := h.state.vip(v.Name); ok && x.Role == Holding {
			s.HeldFor = x.HeldFor + now.Sub(h.at)
		}
	}
	if h, ok := states[v.Home]; ok {
		s.HomeState, _ = h.state.vip(v.Name)
	}
	s.Lease, s.Candidates = m.leaseStatus(now, v.lease), m.candidateStatus(now, v, states)
	return s
}

func (m *Machine) leaseStatus(now Instant, l *lease) *LeaseStatus {
	if l.role != Taking && l.role != Holding {
		return nil
	}
	granted := map[string]bool{}
	for _, c := range l.claims[max(0, len(l.claims)-2):] {
		for _, g := range c.granted {
			granted[g.voter] = true
		}
	}
	return &LeaseStatus{
		Term: l.term, Left: max(0, l.validUntil.Sub(now)),
		GrantedBy: slices.Sorted(maps.Keys(granted)), Confirmed: slices.Sorted(maps.Keys(l.confirmed)),
	}
}

// candidateStatus ranks the nodes as the voter of this node would.
func (m *Machine) candidateStatus(now Instant, v *site, states map[string]*heardState) []CandidateStatus {
	var cs []candidate
	for _, n := range slices.Sorted(maps.Keys(states)) {
		h := states[n]
		if n != m.cfg.Node && now.Sub(h.at) >= m.fresh() {
			continue
		}
		if c, ok := h.account(m.names).rate(v.VIP, v.lease.no, m.heardTerm(v.lease)); ok {
			cs = append(cs, c)
		}
	}
	list := make([]CandidateStatus, 0, len(cs))
	for _, c := range rank(v.VIP, cs) {
		list = append(list, CandidateStatus{c.node, c.continues, c.node == v.Home, c.clean, c.owesProof, c.held})
	}
	return list
}

// age is the time since an instant, 0 where there is none.
func age(now, at Instant, known bool) time.Duration {
	if !known {
		return 0
	}
	return max(0, now.Sub(at))
}

// state returns what this node says of itself, under the number that it has been true since.
func (m *Machine) state() NodeState {
	if !m.isTold() {
		m.describeAgain()
		m.described.Version = m.seq
	}
	return m.described
}

// describeAgain writes the state down under a number of its own.
func (m *Machine) describeAgain() {
	m.seq++
	m.described = m.describe()
}

// describe writes down what this node knows of itself.
func (m *Machine) describe() NodeState {
	s := m.describeNode()
	s.Instances = slices.Grow(s.Instances, len(m.caches))
	for _, in := range m.caches {
		s.Instances = append(s.Instances, in.describe())
	}
	s.VIPs = slices.Grow(s.VIPs, len(m.sites))
	for _, v := range m.sites {
		s.VIPs = append(s.VIPs, m.describeVIP(v))
	}
	return s
}

// describeNode is describe but for instances and VIPs.
func (m *Machine) describeNode() NodeState {
	return NodeState{
		Node: m.cfg.Node, Start: m.self.Start, Seq: m.seq, Version: m.described.Version, Build: m.cfg.Build, Quorate: m.quorate(), Draining: m.draining,
		Stopping: m.stopping, Witness: m.cfg.Witness, Detector: m.cfg.Detector, Fence: m.cfg.Fence, DiskError: m.journal.err, List: m.lists.id(),
		MACs: m.told, Config: m.cfg.Digest, Pause: m.pause,
	}
}

// candidacyTold is how old an attempt is that others are told of. Most are won by then, nobody goes by one, and the claim
// need not bring the node's state with it.
const candidacyTold = 10 * time.Millisecond

// toldOf is this node's part in a name as others are told.
func (m *Machine) toldOf(l *lease) (role Role, epoch uint64) {
	if l.role == Candidate && m.now.Sub(l.try.began) < candidacyTold {
		return Idle, 0
	}
	return l.role, l.term.Epoch
}

func (in *instance) describe() InstanceState {
	x := InstanceState{
		Address: in.address, Known: in.known, Up: in.up, Reason: in.reason, PID: in.life.PID, Stage: in.stage, Trouble: in.trouble,
		Conns: in.conns,
	}
	if in.up {
		x.Reason = cmp.Or(in.unprovable, in.note)
	}
	return x
}

func (m *Machine) describeVIP(v *site) VIPState {
	l, c := v.lease, &v.coming
	role, epoch := m.toldOf(l)
	x := VIPState{
		Name: v.Name, Role: role, Standing: m.standing(v), Clean: v.clean(), Served: m.openService(v), Epoch: epoch,
		Coming: c.state, Refused: c.refused, Losses: len(c.losses),
	}
	if l.role == Holding {
		x.HeldFor = m.now.Sub(l.holdSince)
	}
	if c.state == AwayDelay {
		x.Wait = max(0, m.readyAt(v, c).Sub(m.now))
	}
	x.Conflict, x.ConflictNode, x.ConflictAgo = v.conflict.told(m.now)
	return x
}

// openService is the own last service of a VIP that continuity may still save; zero if there is none. What
// is held is the last by definition.
func (m *Machine) openService(v *site) Term {
	if v.lease.role == Holding || m.mayContinue(v) {
		return v.kept.Served
	}
	return Term{}
}

// PublishEvery is how often a node's state is gossiped when nothing changed, so that its age tells those who are not
// claimed from: seldom where every node is a voter. In larger clusters it is less often, so that what each node hears
// does not grow with them.
func PublishEvery(nodes, voters int) time.Duration {
	if nodes == voters {
		return 5 * time.Second
	}
	return max(time.Second, time.Duration(nodes)*100*time.Millisecond)
}

func (c Config) publishEvery() time.Duration { return PublishEvery(len(c.Nodes), len(c.Voters)) }

// fresh is how old the newest state of a node may be that counts as alive. Where every node votes, claims say with each
// heartbeat that it is still true.
func (m *Machine) fresh() time.Duration {
	if len(m.cfg.Nodes) == len(m.cfg.Voters) {
		return m.cfg.Lease + stateFresh
	}
	return m.cfg.Lease + 2*m.cfg.publishEvery()
}

// publish gossips the node's state when it changed, and now and then when it did not.
func (m *Machine) publish() {
	due := m.now.Sub(m.sentAt) >= m.cfg.publishEvery()
	if m.state().Version == m.sent && !due {
		return
	}
	if due {
		m.describeAgain() // with what only counts time
	}
	m.sent, m.sentAt = m.described.Version, m.now
	m.emit(PublishState{m.described})
}

// isTold reports whether the state last written down is still true, but for what only counts time. It is asked
// after every step, and so compares without writing the state down; TestIsTold finds a part that is missing.
func (m *Machine) isTold() bool {
	a, b := m.describeNode(), &m.described
	if a.Start != b.Start || a.Quorate != b.Quorate || a.Draining != b.Draining || a.Stopping != b.Stopping ||
		a.DiskError != b.DiskError || a.List != b.List || a.Pause != b.Pause || !slices.Equal(a.MACs, b.MACs) {
		return false
	}
	for i, in := range m.caches {
		if in.describe() != b.Instances[i] {
			return false
		}
	}
	for i, v := range m.sites {
		if !m.isToldOf(v, &b.VIPs[i]) {
			return false
		}
	}
	return true
}

func (m *Machine) isToldOf(v *site, told *VIPState) bool {
	l, c := v.lease, &v.coming
	role, epoch := m.toldOf(l)
	mac, node, _ := v.conflict.told(m.now)
	return told.Conflict == mac && told.ConflictNode == node && told.Role == role && told.Epoch == epoch && told.Coming == c.state && told.Refused == c.refused && told.Losses == len(c.losses) &&
		told.Standing == m.standing(v) && told.Clean == v.clean() && told.Served == m.openService(v)
}
