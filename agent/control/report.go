package control

import (
	"fmt"
	"time"
)

// Schema is the version of Report. Within one, fields are only added.
const Schema = 1

// Verdict is the whole report in one number, which is also agentctl's exit code.
type Verdict int

// The verdicts.
const (
	AllWell  Verdict = iota // every VIP is served at home and every node could take over
	Degraded                // every VIP is served, but something is not as it should be
	Unserved                // a VIP is not served, as far as the reporting node knows
)

func (v Verdict) String() string {
	switch v {
	case AllWell:
		return "all_well"
	case Degraded:
		return "degraded"
	case Unserved:
		return "unserved"
	}
	return fmt.Sprintf("verdict(%d)", int(v))
}

// Report is what one node knows of the cluster at one instant: the schema of `agentctl status --json`.
// Instants are RFC 3339. Every *_age_ms says how long ago something was told or heard, so that old
// news cannot look fresh; where nothing was ever heard, "heard" is false and the age says nothing.
type Report struct {
	Schema      int       `json:"schema"`
	Time        time.Time `json:"time"`         // by the reporting node's clock
	Verdict     Verdict   `json:"verdict"`      // 0 all well, 1 degraded, 2 a VIP is not served
	VerdictText string    `json:"verdict_text"` // the same in words
	Problems    []Problem `json:"problems"`     // the worst first

	Cluster string    `json:"cluster"`
	Node    string    `json:"node"` // the reporting node
	Build   string    `json:"build"`
	Started time.Time `json:"started,omitzero"` // of the reporting agent
	Config  Config    `json:"config"`

	Pause  Pause   `json:"pause"`           // of hand-backs, in the whole cluster
	Bounds Outages `json:"bounds,omitzero"` // of the reporting node's configuration; left out by an older agent
	Quorum Quorum  `json:"quorum"`
	Voters []Voter `json:"voters"`
	VIPs   []VIP   `json:"vips"`
	Nodes  []Node  `json:"nodes"`

	Addresses []Address      `json:"addresses"` // on the reporting node's interfaces now
	Detector  string         `json:"detector"`  // how the reporting node notices memcached's death
	Gossip    Gossip         `json:"gossip"`
	Counters  map[string]int `json:"counters"` // since the agent's start, by name
}

// Config says which configuration the reporting node runs. Nodes with equal digests agree.
type Config struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // hexadecimal, of everything that must be the same on all hosts
}

// Outages are the longest that clients go without a VIP, one failure at a time, while another node is proved clean. They
// are reckoned from the settings, not measured; on a LAN without loss, with the round trip and the work that are named.
type Outages struct {
	Lease     int64 `json:"lease_ms"`
	RoundTrip int64 `json:"round_trip_ms"` // assumed, of a majority of the voters
	OnHost    int64 `json:"on_host_ms"`    // assumed, for two state files and an address
	HostLost  int64 `json:"host_lost_ms"`  // the host dies or is cut off, or the agent dies
	Hung      int64 `json:"hung_ms"`       // memcached hangs
	Exited    int64 `json:"exited_ms"`     // memcached exits, and the kernel reports it
	Planned   int64 `json:"planned_ms"`    // drain, stop, move and hand-back
}

// Pause says whether VIPs go home only when somebody asks for it.
type Pause struct {
	On bool   `json:"on"`
	By string `json:"by"` // the node where it was said, or where it was last ended; "" if it never was
}

// Quorum says whether the reporting node is heard by enough voters to hold anything.
type Quorum struct {
	Quorate   bool `json:"quorate"`
	Answering int  `json:"answering"` // voters that answered within one lease
	Voters    int  `json:"voters"`
	Needed    int  `json:"needed"`
}

// Voter is how the reporting node hears one voter.
type Voter struct {
	Name         string `json:"name"`
	Heard        bool   `json:"heard"`           // has ever answered, and not refused all it was asked
	Answering    bool   `json:"answering"`       // has answered within one lease
	AnsweredAge  int64  `json:"answered_age_ms"` // since the request that it last answered was sent
	SilentLeft   int64  `json:"silent_left_ms"`  // grants nothing for so long, after it lost its state
	RoundTrip    int64  `json:"round_trip_us"`
	LastRefusal  string `json:"last_refusal"`  // of a whole claim; "" if none
	OtherAddress string `json:"other_address"` // with same_name: where the other host of that name speaks from
	RefusalText  string `json:"refusal_text"`  // the refusal in words; "" if none, or none that needs any
}

// Place says where a VIP is. The set is closed.
type Place string

// The places.
const (
	PlaceHome     Place = "at_home"  // held by its home
	PlaceAway     Place = "away"     // held by another node
	PlaceTaking   Place = "taking"   // a node has won it; the address is on its way up, or down again
	PlaceUnserved Place = "unserved" // a majority of voters names nobody
	PlaceUnknown  Place = "unknown"  // the reporting node hears no majority and does not hold it
)

// served reports whether a node holds it.
func (p Place) served() bool { return p == PlaceHome || p == PlaceAway }

// VIP is where one service address is, since when, and why.
type VIP struct {
	Address   string `json:"address"`
	Prefix    string `json:"prefix"`
	Interface string `json:"interface"` // on the reporting node; "" if it has none for the VIP
	Instance  string `json:"instance"`
	Failback  string `json:"failback"`

	Home   string    `json:"home"`
	Holder string    `json:"holder"` // "" if nobody is known to hold it
	Served bool      `json:"served"`
	AtHome bool      `json:"at_home"`
	Place  Place     `json:"place"`
	Since  time.Time `json:"since,omitzero"` // held by the holder since; left out if unknown
	Held   int64     `json:"held_ms"`        // the same as a duration; 0 if unknown
	Epoch  uint64    `json:"epoch"`          // counts the VIP's changes of holder

	WhyCode  WhyCode `json:"why_code"`
	WhyShort string  `json:"why_short"`  // Why in two or three words, for a table
	Why      string  `json:"why"`        // why it is not at home or not served; "" at home
	WhyAge   int64   `json:"why_age_ms"` // age of the news that Why rests on

	Lease      *Lease      `json:"lease,omitempty"` // of the reporting node, if it has one
	Clients    int         `json:"clients"`         // connections that the reporting node knows of, and would have reset if it took the VIP; 1024 at most
	Candidates []Candidate `json:"candidates"`      // nodes that could take it now, the best first
	Sights     []Sight     `json:"sights"`          // what other nodes see of it; empty unless they were asked
}

// Lease is what the reporting node holds a VIP by.
type Lease struct {
	Term      string   `json:"term"`
	Left      int64    `json:"left_ms"`    // until the address has to be down, unless it is renewed
	GrantedBy []string `json:"granted_by"` // voters that granted its newest requests
	Confirmed []string `json:"confirmed"`  // voters that have recorded its term
}

// Candidate is a node that could take a VIP, with what it is ranked by.
type Candidate struct {
	Node      string `json:"node"`
	Home      bool   `json:"home"`
	Clean     bool   `json:"clean"`      // its memcached is proved to hold no old value
	Continues bool   `json:"continues"`  // served last, and may go on without a flush if a majority confirms that
	OwesProof bool   `json:"owes_proof"` // ranks last: its own VIP is away, and waits for it to be proved clean
	Held      int    `json:"held"`       // VIPs that it holds
}

// Sight is what one node sees of a VIP.
type Sight struct {
	Node    string   `json:"node"`
	Holder  string   `json:"holder"` // by the voters' word, as the node heard it
	Asked   bool     `json:"asked"`  // it asked on its link who has the address
	MACs    []string `json:"macs"`   // that answered
	Agrees  bool     `json:"agrees"` // what it asked was answered by the holder alone, or it is the holder
	Trouble string   `json:"trouble,omitempty"`
}

// Cache says what a node's memcached may hold of a VIP. The set is closed.
type Cache string

// The states of a cache.
const (
	CacheNone    Cache = "none"    // the node is never to hold the VIP
	CacheUnknown Cache = "unknown" // the node was never heard, or its memcached does not answer
	CacheServing Cache = "serving" // it serves the VIP
	CacheClean   Cache = "clean"   // proved to hold no old value of the VIP
	CacheWarm    Cache = "warm"    // the VIP's last holder, which may go on without a flush
	CacheTainted Cache = "tainted" // may hold old values: must be flushed before it serves the VIP
)

// Node is what a node last said of itself, and how long ago.
type Node struct {
	Name     string `json:"name"`
	Self     bool   `json:"self"` // the reporting node
	Voter    bool   `json:"voter"`
	Witness  bool   `json:"witness"`
	Heard    bool   `json:"heard"`
	HeardAge int64  `json:"heard_age_ms"`
	Silent   bool   `json:"silent"` // never heard, or not for so long that it counts as gone

	Build     string `json:"build"`
	Quorate   bool   `json:"quorate"`
	Draining  bool   `json:"draining"`
	Stopping  bool   `json:"stopping"`
	DiskError string `json:"disk_error"`
	Detector  string `json:"detector"`
	Fence     string `json:"fence"`      // what closes an address whose lease is over if the agent cannot
	VoterList string `json:"voter_list"` // digest of the voter list in force there
	Config    string `json:"config"`     // beginning of its configuration's digest; "" of an agent that does not tell
	Paused    bool   `json:"paused"`     // it has heard that hand-backs are paused

	Keys []string `json:"keys,omitempty"` // fingerprints of its gossip keys, the sealing one first; left out unless it was asked

	Instances []Instance `json:"instances"`
	VIPs      []NodeVIP  `json:"vips"`
}

// Instance is one memcached, as its node told.
type Instance struct {
	Address    string `json:"address"`
	Known      bool   `json:"known"` // probed at least once
	Up         bool   `json:"up"`
	ReasonCode string `json:"reason_code"` // why it is down, or what limits it while up
	Reason     string `json:"reason"`      // the same in words
	PID        int    `json:"pid"`
	FlushStage string `json:"flush_stage"`
	Flush      string `json:"flush"`   // the stage in words, with what stands in its way; "" if nothing is under way
	Trouble    string `json:"trouble"` // what stands in the way of a proof
}

// NodeVIP is a node's part in one VIP.
type NodeVIP struct {
	Address      string `json:"address"`
	Role         string `json:"role"`
	Cache        Cache  `json:"cache"`
	Standing     string `json:"standing"`
	StandingText string `json:"standing_text"` // why the node may not take it; "" if it may

	Conflict Conflict `json:"conflict,omitzero"` // the newest that the node has seen of late; left out if none
}

// Conflict is another host's claim of a VIP's address.
type Conflict struct {
	MAC  string `json:"mac"`
	Node string `json:"node"`   // the member whose MAC it is; "" if no member has told it
	Age  int64  `json:"age_ms"` // when the node told of it
}

// Address is an address that the reporting node has up.
type Address struct {
	Prefix    string    `json:"prefix"`
	Interface string    `json:"interface"`
	Since     time.Time `json:"since,omitzero"`
}

// Gossip is what the reporting node's gossip layer sees. No decision rests on it.
type Gossip struct {
	Members  []Member `json:"members"`
	Counters any      `json:"counters"` // packets and states, sent, received and dropped, as agent/gossip counts them
}

// Member is a configured node as gossip sees it.
type Member struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Alive   bool   `json:"alive"`
}

// Severity says what a problem does to the verdict.
type Severity string

// The severities, the worst first.
const (
	SeverityUnserved Severity = "unserved" // a VIP is not served
	SeverityDegraded Severity = "degraded"
	SeverityNote     Severity = "note" // worth knowing; the verdict stays
)

// Problem is one thing that is not as it should be.
type Problem struct {
	Severity Severity    `json:"severity"`
	Code     ProblemCode `json:"code"`
	Text     string      `json:"text"`
	Hint     string      `json:"hint"` // what to do about it; "" where nothing can be said
	VIPs     []string    `json:"vips"` // concerned
	Nodes    []string    `json:"nodes"`
}

// ms is a duration as the schema has it.
func ms(d time.Duration) int64 { return d.Milliseconds() }
