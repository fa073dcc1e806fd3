package core

import "time"

// Status is what one node knows of the cluster at one instant, with the age of everything it was told.
// It is a copy: reading it never disturbs the machine.
type Status struct {
	Node    string         `json:"node"`
	Quorate bool           `json:"quorate"`
	Voters  []VoterStatus  `json:"voters"`
	VIPs    []VIPStatus    `json:"vips"`
	Nodes   []NodeStatus   `json:"nodes"`
	Counted map[string]int `json:"counted"` // refusals, lost saves and the like, by name
}

// VoterStatus is how this node hears one voter.
type VoterStatus struct {
	Name       string        `json:"name"`
	Heard      bool          `json:"heard"`     // has ever answered
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
}

// NodeStatus is what a node last said of itself.
type NodeStatus struct {
	Name  string        `json:"name"`
	Voter bool          `json:"voter"`
	Heard bool          `json:"heard"`
	Ago   time.Duration `json:"ago_ns"`
	State NodeState     `json:"state"`
}
