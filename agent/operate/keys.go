package operate

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"memvip/agent/control"
)

// Gossip keys are changed in three stages, each on every node before the next: install (all can open what is sealed with
// the new key), use (all seal with it), remove (nobody opens the old one). What a node seals can so be opened by every
// other at every instant, whoever is slow, and a node that crashes in between comes back with what its file holds.

// KeyPlan says which key, and who may be missing.
type KeyPlan struct {
	Fingerprint string         // of a key that a node has; "": Key, or a new one
	Key         control.Secret // base64
	Without     []string       // nodes that need not answer, beside those in cluster.voters_off
}

// PartialError is a command that did its work on some nodes and not on others. Repeated, it does the rest.
type PartialError struct{ Text, Hint string }

func (e *PartialError) Error() string { return e.Text }

// KeySurvey is what all nodes say of their keys.
type KeySurvey struct {
	Asked   string             // the node whose agent was asked
	Nodes   []control.NodeKeys // that answered, by name
	Missing map[string]string  // why the others did not, by name
}

// SurveyKeys asks every node, and changes nothing.
func (s *Session) SurveyKeys(ctx context.Context) (KeySurvey, error) {
	r, err := s.lookAtKeys(ctx, "")
	if err != nil {
		return KeySurvey{}, err
	}
	return r.KeySurvey, nil
}

// KeysInstall gives every node a further key.
func (s *Session) KeysInstall(ctx context.Context, p KeyPlan) error {
	return s.withTurn(ctx, p, func(r *keyRound) error {
		key, err := r.install(ctx, p)
		if err == nil && slices.ContainsFunc(r.Nodes, func(n control.NodeKeys) bool { return n.Seals() != key }) {
			s.Say("next: agentctl keys use " + key)
		}
		return err
	})
}

// KeysUse has every node seal with a key that all have.
func (s *Session) KeysUse(ctx context.Context, p KeyPlan) error {
	return s.withTurn(ctx, p, func(r *keyRound) error {
		if err := r.use(ctx, p.Fingerprint); err != nil {
			return err
		}
		for _, old := range r.beside(p.Fingerprint) {
			s.Say("next: agentctl keys remove " + old)
		}
		return nil
	})
}

// KeysRemove has every node forget a key with which none seals.
func (s *Session) KeysRemove(ctx context.Context, p KeyPlan) error {
	return s.withTurn(ctx, p, func(r *keyRound) error { return r.remove(ctx, p.Fingerprint) })
}

// KeysRotate is all three stages, after which every node has the one key.
func (s *Session) KeysRotate(ctx context.Context, p KeyPlan) error {
	return s.withTurn(ctx, p, func(r *keyRound) error {
		key, err := r.install(ctx, p)
		if err == nil {
			err = r.use(ctx, key)
		}
		if err == nil {
			for _, old := range r.beside(key) {
				err = errors.Join(err, r.remove(ctx, old))
			}
		}
		if key != "" && err != nil {
			return r.goesOn(err, key)
		}
		return err
	})
}

// KeysReload has nodes, or that which is asked, take up what their key files hold.
func (s *Session) KeysReload(ctx context.Context, nodes []string) error {
	return s.turn(ctx, func(r *keyRound) error {
		if len(nodes) == 0 {
			nodes = []string{r.Asked}
		}
		for _, node := range nodes {
			if err := r.known(node); err != nil {
				return err
			}
		}
		for _, node := range nodes {
			if err := r.reload(ctx, node); err != nil {
				return err
			}
		}
		for _, node := range slices.Sorted(maps.Keys(r.Missing)) {
			s.Say("not compared with " + node + ": " + r.Missing[node])
		}
		return nil
	})
}

func (r *keyRound) reload(ctx context.Context, node string) error {
	before, _ := r.node(node)
	after, err := r.ask(ctx, node, control.KeysRequest{Action: control.KeysReload})
	switch {
	case err != nil:
		return err
	case slices.Equal(before.InUse(), after.InUse()):
		r.s.Say(node + " uses what is in " + after.Path + " already: " + listed(after.InUse()))
	default:
		r.s.Say(node + " has taken up " + after.Path + ": it seals with " + after.Seals() + alsoOpens(after))
	}
	return nil
}

// KeysSave has what the asked agent could not write into its key file written by the caller: write gets where it is, and
// where it belongs. Then the agent takes it up, if that is where it reads.
func (s *Session) KeysSave(ctx context.Context, to string, write func(next, path string) error) error {
	return s.turn(ctx, func(r *keyRound) error {
		here, ok := r.node(r.Asked)
		switch {
		case !ok:
			return refuse("", "%s: %s", r.Asked, r.Missing[r.Asked])
		case r.busy != "":
			return refuse("", "%s", r.busy)
		case here.Next == "":
			s.Say("nothing waits to be written on " + here.Node)
			return nil
		}
		if err := r.fits(here); err != nil {
			return err
		}
		path := cmp.Or(to, here.Path)
		if err := write(here.Next, path); err != nil {
			return err
		}
		if path != here.Path {
			s.Say(path + " is written; next: systemctl restart memvip-agent")
			return nil
		}
		return r.reload(ctx, here.Node)
	})
}

// fits refuses what waits to be written on a node if another, that answers, would not understand it then: it may have
// waited for long.
func (r *keyRound) fits(here control.NodeKeys) error {
	then := here
	then.File, then.Keys = here.NextKeys, nil
	for _, f := range here.NextKeys {
		then.Keys = append(then.Keys, control.HeldKey{Fingerprint: f})
	}
	others := slices.DeleteFunc(slices.Clone(r.Nodes), func(n control.NodeKeys) bool { return n.Node == here.Node })
	for _, g := range control.KeyGaps(append(others, then)) {
		if g.From == here.Node || g.To == here.Node {
			return refuse("agentctl keys; what waits there is of a rotation that went another way", "%s would not do any more: %s", here.Next, g)
		}
	}
	return nil
}

func alsoOpens(n control.NodeKeys) string {
	if len(n.Keys) < 2 {
		return ""
	}
	return ", and opens what was sealed with " + listed(n.InUse()[1:])
}
