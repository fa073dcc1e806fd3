package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"memvip/agent/control"
	"memvip/configs"
)

const (
	// nextKeyFile, in the runtime directory, is what the key file should hold where the agent may not write it.
	nextKeyFile = "gossip.key.next"
	// keyTurnLife is how long an operator who says nothing more keeps others from changing keys: longer than any question
	// waits for its answer, since a change comes right after one.
	keyTurnLife = 20 * time.Second
)

// keyKeeper has one change of keys at a time on this node, and one operator at a time who makes them.
type keyKeeper struct {
	changing sync.Mutex

	mu     sync.Mutex
	ticket string // of who has the turn; "" for nobody
	by     string
	until  time.Time
}

// admit takes or keeps the turn for a ticket. The error says who has it.
func (k *keyKeeper) admit(ticket, by string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case ticket == "":
		return errors.New("a change of keys needs a ticket")
	case k.ticket != "" && k.ticket != ticket && now.Before(k.until):
		return fmt.Errorf("keys are being changed by way of %s: one operator at a time; if that one gave up, again in %s", k.by, k.until.Sub(now).Round(time.Second))
	}
	k.ticket, k.by, k.until = ticket, by, now.Add(keyTurnLife)
	return nil
}

// leave gives the turn back.
func (k *keyKeeper) leave(ticket string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ticket == ticket {
		k.ticket = ""
	}
}

// answerKeys says which gossip keys this node has, and changes them. No key is in the answer, in the log or in the
// history.
func (a *agent) answerKeys(ctx context.Context, r control.Request) control.Response {
	q := r.Keys
	if q.Action == control.KeysDone {
		a.keys.leave(q.Ticket)
		return control.Reply(a.nodeKeys())
	}
	if q.Ticket != "" || q.Action != control.KeysList {
		if err := a.keys.admit(q.Ticket, r.By, time.Now()); err != nil {
			return control.Fail(control.FailRefused, "%s: %v", a.self.Name, err)
		}
	}
	switch q.Action { // what does not change anything here waits for nobody
	case control.KeysList:
		return control.Reply(a.nodeKeys())
	case control.KeysGive:
		if q.To != a.self.Name {
			return a.giveKey(ctx, q)
		}
	default:
	}
	a.keys.changing.Lock()
	defer a.keys.changing.Unlock()
	switch q.Action {
	case control.KeysNew:
		return a.takeKey(r, configs.NewKey())
	case control.KeysTake:
		key, err := configs.ParseKey(string(q.Key))
		if err != nil {
			return control.Fail(control.FailRefused, "what is to be a key %v", err)
		}
		return a.takeKey(r, key)
	case control.KeysGive:
		key, ok := a.findKey(q.Fingerprint)
		if !ok {
			return control.Fail(control.FailRefused, "%s has no key %s", a.self.Name, q.Fingerprint)
		}
		return a.takeKey(r, key)
	case control.KeysUse:
		return a.changeKeys(r, func(f configs.KeyFile) (configs.KeyFile, error) { return f.Using(q.Fingerprint) })
	case control.KeysRemove:
		return a.changeKeys(r, func(f configs.KeyFile) (configs.KeyFile, error) { return f.Without(q.Fingerprint) })
	case control.KeysReload:
		return a.reloadKeys(ctx, r)
	default:
	}
	return control.Fail(control.FailBadRequest, "unknown action %q on keys", q.Action)
}

// nodeKeys is what this node says of its keys.
func (a *agent) nodeKeys() control.NodeKeys {
	out := control.NodeKeys{
		Node: a.self.Name, Path: a.config.Cluster.KeyFile, Keys: []control.HeldKey{}, File: []string{},
		Nodes: a.nodeNames(), VotersOff: a.config.Cluster.VotersOff,
	}
	for _, held := range a.gossip.Keys() {
		k := control.HeldKey{Fingerprint: configs.Key(held.Key).Fingerprint(), Heard: map[string]int64{}}
		for node, ago := range held.Heard {
			k.Heard[node] = ago.Milliseconds()
		}
		out.Keys = append(out.Keys, k)
	}
	file, err := configs.ReadKeyFile(out.Path)
	if err != nil {
		out.FileTrouble = keyFileTrouble(err)
	} else {
		out.File = configs.Fingerprints(file.Keys())
	}
	if next, err := configs.ReadKeyFile(a.nextKeyFile()); err == nil {
		out.Next, out.NextKeys = a.nextKeyFile(), configs.Fingerprints(next.Keys())
	}
	return out
}

func (a *agent) nextKeyFile() string { return filepath.Join(a.options.RuntimeDir, nextKeyFile) }

func keyFileTrouble(err error) string {
	if e, ok := errors.AsType[*configs.Error](err); ok {
		return fmt.Sprintf("%s; expected %s", e.Found, e.Expected)
	}
	return err.Error()
}

// heldKeys are the keys in use, the sealing one first.
func (a *agent) heldKeys() []configs.Key {
	var keys []configs.Key
	for _, held := range a.gossip.Keys() {
		keys = append(keys, configs.Key(held.Key))
	}
	return keys
}

// takeKey has this node have a further key.
func (a *agent) takeKey(r control.Request, key configs.Key) control.Response {
	r.Keys.Fingerprint = key.Fingerprint()
	return a.changeKeys(r, func(f configs.KeyFile) (configs.KeyFile, error) { return f.With(key) })
}

// giveKey passes a key on: by the sealed way between agents, and by none other.
func (a *agent) giveKey(ctx context.Context, q control.KeysRequest) control.Response {
	key, ok := a.findKey(q.Fingerprint)
	switch {
	case !ok:
		return control.Fail(control.FailRefused, "%s has no key %s", a.self.Name, q.Fingerprint)
	case !slices.Contains(a.nodeNames(), q.To):
		return control.Fail(control.FailRefused, "%s is no node of the configuration on %s", q.To, a.self.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, passOnMax)
	defer cancel()
	take := control.KeysRequest{Action: control.KeysTake, Ticket: q.Ticket, Key: control.Secret(key.Text())}
	resp, err := a.askNode(ctx, control.Request{Command: control.CommandKeys, Node: q.To, Keys: take})
	if err != nil {
		return control.Fail(control.FailUnreached, "%s", unreachedText(q.To, passOnMax, err))
	}
	return resp
}

// findKey looks for a key among those in use, in the file, and where one waits to be written.
func (a *agent) findKey(fingerprint string) (configs.Key, bool) {
	keys := a.heldKeys()
	for _, path := range []string{a.config.Cluster.KeyFile, a.nextKeyFile()} {
		if f, err := configs.ReadKeyFile(path); err == nil {
			keys = append(keys, f.Keys()...)
		}
	}
	i := slices.IndexFunc(keys, func(k configs.Key) bool { return k.Fingerprint() == fingerprint })
	if i < 0 {
		return configs.Key{}, false
	}
	return keys[i], true
}
