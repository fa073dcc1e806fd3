package gossip

import (
	"time"

	"memvip/agent/core"
)

// The wire form of core's types, field by field, so that core need not know how it is encoded. Field
// numbers are the protocol's: never reused, never renumbered. Structs that hold only plain fields are
// converted as they are, which the compiler checks; TestEveryFieldTravels guards the others.

type wireClaimant struct {
	Node  string `cbor:"1,keyasint,omitempty"`
	Boot  string `cbor:"2,keyasint,omitempty"`
	Start uint64 `cbor:"3,keyasint,omitempty"`
}

type wireRequest struct {
	Start   uint64 `cbor:"1,keyasint,omitempty"`
	Counter uint64 `cbor:"2,keyasint,omitempty"`
}

type wireTerm struct {
	Epoch uint64 `cbor:"1,keyasint,omitempty"`
	Node  string `cbor:"2,keyasint,omitempty"`
	ID    uint64 `cbor:"3,keyasint,omitempty"`
}

type wireList struct {
	Digest   uint64 `cbor:"1,keyasint,omitempty"`
	Previous uint64 `cbor:"2,keyasint,omitempty"`
}

type wireProof struct {
	PID        int    `cbor:"1,keyasint,omitempty"`
	Start      int64  `cbor:"2,keyasint,omitempty"`
	Oldest     int64  `cbor:"3,keyasint,omitempty"`
	TotalItems uint64 `cbor:"4,keyasint,omitempty"`
	Restart    bool   `cbor:"5,keyasint,omitempty"`
}

type wireClaimEntry struct {
	Name core.Name `cbor:"1,keyasint,omitempty"`
	Kind core.Kind `cbor:"2,keyasint,omitempty"`
	Term wireTerm  `cbor:"3,keyasint,omitempty"`
}

type wireClaim struct {
	From    wireClaimant     `cbor:"1,keyasint,omitempty"`
	Counter uint64           `cbor:"2,keyasint,omitempty"`
	Life    uint64           `cbor:"3,keyasint,omitempty"`
	Echo    uint64           `cbor:"4,keyasint,omitempty"`
	List    wireList         `cbor:"5,keyasint,omitempty"`
	Must    core.Must        `cbor:"6,keyasint,omitempty"`
	Length  time.Duration    `cbor:"7,keyasint,omitempty"`
	Entries []wireClaimEntry `cbor:"8,keyasint,omitempty"`
	State   wireState        `cbor:"9,keyasint,omitempty"`
	Seen    uint64           `cbor:"10,keyasint,omitempty"`

	Unchanged bool `cbor:"11,keyasint,omitempty"`
}

type wireAnswerEntry struct {
	Name    core.Name     `cbor:"1,keyasint,omitempty"`
	Asked   bool          `cbor:"2,keyasint,omitempty"`
	Refused core.Refusal  `cbor:"3,keyasint,omitempty"`
	Rank    int           `cbor:"4,keyasint,omitempty"`
	Above   bool          `cbor:"5,keyasint,omitempty"`
	Last    wireTerm      `cbor:"6,keyasint,omitempty"`
	Grantee string        `cbor:"7,keyasint,omitempty"`
	Holding bool          `cbor:"8,keyasint,omitempty"`
	Left    time.Duration `cbor:"9,keyasint,omitempty"`
}

type wireAnswer struct {
	Voter       string            `cbor:"1,keyasint,omitempty"`
	Incarnation uint64            `cbor:"2,keyasint,omitempty"`
	Memory      uint64            `cbor:"3,keyasint,omitempty"`
	Life        uint64            `cbor:"4,keyasint,omitempty"`
	Request     wireRequest       `cbor:"5,keyasint,omitempty"`
	Refused     core.Refusal      `cbor:"6,keyasint,omitempty"`
	Other       string            `cbor:"7,keyasint,omitempty"`
	Left        time.Duration     `cbor:"8,keyasint,omitempty"`
	Newest      wireRequest       `cbor:"9,keyasint,omitempty"`
	List        wireList          `cbor:"10,keyasint,omitempty"`
	Entries     []wireAnswerEntry `cbor:"11,keyasint,omitempty"`
	Knows       uint64            `cbor:"12,keyasint,omitempty"`
	Edition     uint64            `cbor:"13,keyasint,omitempty"`
}

type wireReleaseEntry struct {
	Name      core.Name `cbor:"1,keyasint,omitempty"`
	Successor string    `cbor:"2,keyasint,omitempty"`
}

type wireRelease struct {
	From    wireClaimant       `cbor:"1,keyasint,omitempty"`
	Counter uint64             `cbor:"2,keyasint,omitempty"`
	Echo    uint64             `cbor:"3,keyasint,omitempty"`
	Length  time.Duration      `cbor:"4,keyasint,omitempty"`
	Entries []wireReleaseEntry `cbor:"5,keyasint,omitempty"`
}

type wireAck struct {
	Voter       string       `cbor:"1,keyasint,omitempty"`
	Incarnation uint64       `cbor:"2,keyasint,omitempty"`
	Request     wireRequest  `cbor:"3,keyasint,omitempty"`
	Refused     core.Refusal `cbor:"4,keyasint,omitempty"`
}

type wireHint struct {
	Voter   string    `cbor:"1,keyasint,omitempty"`
	Name    core.Name `cbor:"2,keyasint,omitempty"`
	Last    wireTerm  `cbor:"3,keyasint,omitempty"`
	By      string    `cbor:"4,keyasint,omitempty"`
	Tainted bool      `cbor:"5,keyasint,omitempty"`

	Incarnation uint64 `cbor:"6,keyasint,omitempty"`
	Edition     uint64 `cbor:"7,keyasint,omitempty"`
}

type wireAsk struct {
	From   string    `cbor:"1,keyasint,omitempty"`
	Name   core.Name `cbor:"2,keyasint,omitempty"`
	Final  bool      `cbor:"3,keyasint,omitempty"`
	Proof  wireProof `cbor:"4,keyasint,omitempty"`
	Over   wireTerm  `cbor:"5,keyasint,omitempty"`
	Served wireTerm  `cbor:"6,keyasint,omitempty"`
	Why    string    `cbor:"7,keyasint,omitempty"`
}

type wireAskReply struct {
	From    string          `cbor:"1,keyasint,omitempty"`
	Name    core.Name       `cbor:"2,keyasint,omitempty"`
	Term    wireTerm        `cbor:"3,keyasint,omitempty"`
	Refused core.AskRefusal `cbor:"4,keyasint,omitempty"`
}

type wireStandBy struct {
	From string    `cbor:"1,keyasint,omitempty"`
	Name core.Name `cbor:"2,keyasint,omitempty"`
}

type wireDecline struct {
	From string    `cbor:"1,keyasint,omitempty"`
	Name core.Name `cbor:"2,keyasint,omitempty"`
}

type wireInstance struct {
	Address string          `cbor:"1,keyasint,omitempty"`
	Known   bool            `cbor:"2,keyasint,omitempty"`
	Up      bool            `cbor:"3,keyasint,omitempty"`
	Reason  string          `cbor:"4,keyasint,omitempty"`
	PID     int             `cbor:"5,keyasint,omitempty"`
	Stage   core.FlushStage `cbor:"6,keyasint,omitempty"`
	Trouble string          `cbor:"7,keyasint,omitempty"`
	Conns   int             `cbor:"8,keyasint,omitempty"`
}

type wireVIP struct {
	Name     core.Name       `cbor:"1,keyasint,omitempty"`
	Role     core.Role       `cbor:"2,keyasint,omitempty"`
	Standing core.Standing   `cbor:"3,keyasint,omitempty"`
	Clean    bool            `cbor:"4,keyasint,omitempty"`
	Served   wireTerm        `cbor:"5,keyasint,omitempty"`
	HeldFor  time.Duration   `cbor:"6,keyasint,omitempty"`
	Epoch    uint64          `cbor:"7,keyasint,omitempty"`
	Coming   core.Homecoming `cbor:"8,keyasint,omitempty"`
	Refused  core.AskRefusal `cbor:"9,keyasint,omitempty"`
	Wait     time.Duration   `cbor:"10,keyasint,omitempty"`

	Conflict     string        `cbor:"11,keyasint,omitempty"`
	ConflictNode string        `cbor:"12,keyasint,omitempty"`
	ConflictAgo  time.Duration `cbor:"13,keyasint,omitempty"`

	Losses int `cbor:"14,keyasint,omitempty"`
}

type wireState struct {
	Node      string         `cbor:"1,keyasint,omitempty"`
	Start     uint64         `cbor:"2,keyasint,omitempty"`
	Seq       uint64         `cbor:"3,keyasint,omitempty"`
	Build     string         `cbor:"4,keyasint,omitempty"`
	Quorate   bool           `cbor:"5,keyasint,omitempty"`
	Draining  bool           `cbor:"6,keyasint,omitempty"`
	Stopping  bool           `cbor:"7,keyasint,omitempty"`
	Witness   bool           `cbor:"8,keyasint,omitempty"`
	Detector  string         `cbor:"9,keyasint,omitempty"`
	DiskError string         `cbor:"10,keyasint,omitempty"`
	List      wireList       `cbor:"11,keyasint,omitempty"`
	Instances []wireInstance `cbor:"12,keyasint,omitempty"`
	VIPs      []wireVIP      `cbor:"13,keyasint,omitempty"`
	MACs      []string       `cbor:"14,keyasint,omitempty"`
	Fence     string         `cbor:"15,keyasint,omitempty"`
	Config    string         `cbor:"16,keyasint,omitempty"`
	Pause     wirePause      `cbor:"17,keyasint,omitempty"`
	Version   uint64         `cbor:"18,keyasint,omitempty"`
}

type wirePause struct {
	Number uint64 `cbor:"1,keyasint,omitempty"`
	On     bool   `cbor:"2,keyasint,omitempty"`
	By     string `cbor:"3,keyasint,omitempty"`
}
