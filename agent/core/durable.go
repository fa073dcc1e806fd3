package core

import "slices"

// Durable is what a node keeps in its state file. The file is replaced before any answer leaves or
// any address goes up that depends on it; renewals change nothing in it.
type Durable struct {
	Boot   string `json:"boot"`
	Start  uint64 `json:"start"`
	Memory uint64 `json:"memory"` // id of the voter's memory

	Voters         []string `json:"voters"` // the list in force
	PreviousVoters uint64   `json:"previous_voters"`
	Draining       bool     `json:"draining,omitempty"`
	Pause          Pause    `json:"pause,omitzero"`

	// SilentUntil is when this voter, having lost an earlier state, may grant again: a restart does not end its
	// silence (F4).
	SilentUntil Instant `json:"silent_until_ns,omitempty"`

	Slots   []SlotRecord    `json:"slots,omitempty"`   // what this voter granted and recorded, sorted by name
	Service []ServiceRecord `json:"service,omitempty"` // what this node served and proved, sorted by VIP and instance

	// Kept are the VIPs whose addresses a life left up on purpose as it ended, sorted by name. What the next life
	// saves first has none.
	Kept []KeptRecord `json:"kept,omitempty"`
}

// KeptRecord is a VIP that is left up, and when its lease ends by the clock of this very boot.
type KeptRecord struct {
	Name  Name    `json:"name"`
	Until Instant `json:"until_ns"`
}

// Keeps reports whether a VIP's address is to be left alone at an instant, though no agent runs: the last one left
// it up, and its lease is not over.
func (d *Durable) Keeps(n Name, now Instant) bool {
	return slices.ContainsFunc(d.Kept, func(k KeptRecord) bool { return k.Name == n && now < k.Until })
}

// SlotRecord is a voter's memory of one name.
type SlotRecord struct {
	Name     Name     `json:"name"`
	Grant    Claimant `json:"grant"` // zero: none
	Request  Request  `json:"request"`
	Length   int64    `json:"length_ns"`
	Last     Term     `json:"last"`
	Reserved string   `json:"reserved,omitempty"`
	By       string   `json:"reserved_by,omitempty"`
}

// ServiceRecord says what an instance may still hold of a VIP. At most one of Served and Proof
// is set; neither, or no record, means that nobody knows, which is tainted (F21).
type ServiceRecord struct {
	VIP       Name              `json:"vip"`
	Instance  string            `json:"instance"`
	Served    Term              `json:"served"`
	Confirmed map[string]uint64 `json:"confirmed,omitempty"` // voter -> memory id that answered with Served while it was held (F8)
	Proof     Proof             `json:"proof"`
	Over      Term              `json:"over"`        // the VIP's term known before the flush was sent
	LastTerm  Term              `json:"last_served"` // own last service, kept through the proof for the certificate
}
