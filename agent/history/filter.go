package history

import "time"

// Filter says which entries are wanted. The zero Filter wants all.
type Filter struct {
	Since time.Time `json:"since,omitzero"`  // not those before it
	VIP   string    `json:"vip,omitempty"`   // only those of this VIP; "": of all, and of nodes as a whole
	Node  string    `json:"node,omitempty"`  // only those of this node; "": of all
	Limit int       `json:"limit,omitempty"` // the newest so many, which are the last in order; 0: no limit
}

// Select returns the entries that are wanted, in the order given, in a slice of its own.
func (f Filter) Select(entries []Entry) []Entry {
	var out []Entry
	for _, e := range entries {
		if f.wants(e) {
			out = append(out, e)
		}
	}
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[len(out)-f.Limit:]
	}
	return out
}

func (f Filter) wants(e Entry) bool {
	return !e.Time.Before(f.Since) && (f.VIP == "" || f.VIP == e.VIP) && (f.Node == "" || f.Node == e.Node)
}
