package operate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"memvip/agent/control"
	"memvip/agent/layout"
)

// keyQuiet is for how long nothing sealed with a key may have come anywhere before it is removed: a node renews its
// leases and is probed several times in it. It finds who seals with a key though no node says so: one that was left
// out, and runs all the same.
const keyQuiet = 3 * time.Second

// install gives every node a key and returns its fingerprint, also if it came to a part of them only. It is made, or
// taken from the operator, by the node that is asked, and goes to the others from there.
func (r *keyRound) install(ctx context.Context, p KeyPlan) (key string, err error) {
	st := stage{nodes: r.reached(), holds: func(n control.NodeKeys) bool { return n.Has(key) }}
	holder := r.Asked
	if key = p.Fingerprint; key == "" {
		if key, err = r.begin(ctx, p); err != nil {
			return "", err
		}
		r.look(ctx)
	} else if holder, err = r.holder(key); err != nil {
		return "", err
	}
	st.done, st.undone, st.again = "every node has key "+key, "key "+key+" is not installed on", "agentctl keys install "+key
	return key, r.carry(ctx, st, func(ctx context.Context, node string) (control.NodeKeys, error) {
		return r.ask(ctx, holder, control.KeysRequest{Action: control.KeysGive, Fingerprint: key, To: node})
	})
}

// begin has the asked node have a key that none has yet, unless a rotation hangs: a second new key would only be in
// the way.
func (r *keyRound) begin(ctx context.Context, p KeyPlan) (string, error) {
	q := control.KeysRequest{Action: control.KeysTake, Key: p.Key}
	if p.Key == "" {
		for _, n := range r.Nodes {
			for _, key := range append(n.InUse(), n.NextKeys...) {
				if !slices.ContainsFunc(r.Nodes, func(n control.NodeKeys) bool { return n.Seals() == key }) {
					return "", refuse("agentctl keys rotate --to "+key+" goes on with it; agentctl keys remove "+key+" drops it",
						"%s has key %s already, with which no node seals", n.Node, key)
				}
			}
		}
		q = control.KeysRequest{Action: control.KeysNew}
	}
	first, err := r.ask(ctx, r.Asked, q)
	return first.Fingerprint, err
}

// holder finds a node that has a key, be it only where it waits to be written.
func (r *keyRound) holder(key string) (string, error) {
	has := func(n control.NodeKeys) bool {
		return slices.Contains(n.InUse(), key) || slices.Contains(n.File, key) || slices.Contains(n.NextKeys, key)
	}
	if here, ok := r.node(r.Asked); ok && has(here) {
		return r.Asked, nil
	}
	if i := slices.IndexFunc(r.Nodes, has); i >= 0 {
		return r.Nodes[i].Node, nil
	}
	return "", refuse("agentctl keys shows which there are", "no node has a key %s", key)
}

// use has every node seal with a key, if all have it.
func (r *keyRound) use(ctx context.Context, key string) error {
	if _, err := r.holder(key); err != nil {
		return err
	}
	for _, n := range r.Nodes {
		if !n.Has(key) {
			return refuse("agentctl keys install "+key, "%s does not have key %s yet", n.Node, key)
		}
	}
	return r.carry(ctx, stage{
		nodes: r.reached(), holds: func(n control.NodeKeys) bool { return n.Seals() == key && n.UpToDate() },
		done: "every node seals with " + key, undone: key + " is not what seals on", again: "agentctl keys use " + key,
	}, func(ctx context.Context, node string) (control.NodeKeys, error) {
		return r.ask(ctx, node, control.KeysRequest{Action: control.KeysUse, Fingerprint: key})
	})
}

// remove has every node forget a key with which none seals.
func (r *keyRound) remove(ctx context.Context, key string) error {
	if _, err := r.holder(key); err != nil {
		r.s.Say("no node has a key " + key)
		return nil
	}
	without := func(n control.NodeKeys) control.NodeKeys {
		n.Keys = slices.DeleteFunc(slices.Clone(n.Keys), func(k control.HeldKey) bool { return k.Fingerprint == key })
		n.File = slices.DeleteFunc(slices.Clone(n.File), func(f string) bool { return f == key })
		return n
	}
	var after []control.NodeKeys
	for _, n := range r.Nodes {
		if n.Seals() == key || len(n.File) > 0 && n.File[0] == key {
			return refuse("have all seal with another first: agentctl keys use FINGERPRINT", "%s seals with %s", n.Node, key)
		}
		after = append(after, without(n))
	}
	if gaps := control.KeyGaps(after); len(gaps) > 0 {
		return refuse("agentctl keys install "+gaps[0].Key, "%s", gaps[0])
	}
	if err := r.awaitQuiet(ctx, key); err != nil {
		return err
	}
	err := r.carry(ctx, stage{
		nodes: r.reached(), holds: func(n control.NodeKeys) bool {
			return !slices.Contains(n.InUse(), key) && !slices.Contains(n.File, key) && !slices.Contains(n.NextKeys, key)
		},
		done: "no node has key " + key + " any more", undone: "key " + key + " is not removed from", again: "agentctl keys remove " + key,
	}, func(ctx context.Context, node string) (control.NodeKeys, error) {
		return r.ask(ctx, node, control.KeysRequest{Action: control.KeysRemove, Fingerprint: key})
	})
	for _, node := range slices.Sorted(maps.Keys(r.Missing)) {
		r.s.Say(node + " was left out: before its agent runs again, copy the key file of another host there")
	}
	return err
}

// awaitQuiet waits until nothing comes any more that was sealed with a key.
func (r *keyRound) awaitQuiet(ctx context.Context, key string) error {
	tick := time.NewTicker(keyQuiet / 6)
	defer tick.Stop()
	said := ""
	for {
		loud := r.loud(key)
		if loud == "" {
			return nil
		}
		if who, _, _ := strings.Cut(loud, ", "); who != said {
			said = who
			r.s.Say("waiting: " + loud)
		}
		select {
		case <-tick.C:
			r.look(ctx)
			if err := r.complete(); err != nil && ctx.Err() == nil {
				return err
			}
		case <-ctx.Done():
			return &PartialError{Text: "not removed: " + loud, Hint: "agentctl keys on that host; where it was left out on purpose: --without it"}
		}
	}
}

// loud says who has sealed with a key of late; "" for nobody.
func (r *keyRound) loud(key string) string {
	for _, n := range r.Nodes {
		for _, k := range n.Keys {
			for _, from := range slices.Sorted(maps.Keys(k.Heard)) {
				ago := time.Duration(k.Heard[from]) * time.Millisecond
				if k.Fingerprint == key && ago < keyQuiet && !slices.Contains(r.without, from) {
					return fmt.Sprintf("%s has heard %s seal with %s, %s ago", n.Node, from, key, layout.Span(ago))
				}
			}
		}
	}
	return ""
}

// stage is one that every node goes through.
type stage struct {
	nodes []string
	holds func(control.NodeKeys) bool // the node is through

	done, undone string // sentences; undone ends with the nodes
	again        string // what goes on with it
}

// carry has every node go through a stage that is not through it, asks all of them again, and says who is not.
func (r *keyRound) carry(ctx context.Context, st stage, do func(context.Context, string) (control.NodeKeys, error)) error {
	var todo []string
	for _, n := range r.Nodes {
		if !st.holds(n) {
			todo = append(todo, n.Node)
		}
	}
	answers := r.each(ctx, todo, do)
	if len(todo) > 0 {
		r.look(ctx)
	}
	var open []string
	save := false
	for _, node := range st.nodes {
		if n, ok := r.node(node); ok && st.holds(n) {
			continue
		}
		open = append(open, node)
		switch a := answers[node]; {
		case a.err != nil:
			r.s.Say(keyTrouble(node, a.err))
		case a.keys.Unwritten != "":
			save = true
			r.s.Say(fmt.Sprintf("%s cannot write its key file: %s", node, a.keys.Unwritten))
			r.s.Say("  what belongs there is in " + a.keys.Next + "; " + control.KeySaveHint(node))
		case r.Missing[node] != "":
			r.s.Say(r.Missing[node])
		default:
			r.s.Say(node + " has answered, and not done it")
		}
	}
	if len(open) == 0 {
		r.s.Say(st.done)
		return nil
	}
	hint := st.again + " goes on with it"
	if save {
		hint = "where a key file was not written, as it says above; then " + st.again
	}
	return &PartialError{Text: st.undone + " " + listed(open), Hint: hint}
}
