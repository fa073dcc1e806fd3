package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/control"
	"memvip/configs"
)

const (
	// nextKeyFile, in the runtime directory, is what the key file should hold where the agent may not write it.
	nextKeyFile = "gossip.key.next"
	// keyTurnLife is how long an operator who says nothing more keeps others from changing keys: longer than any question
	// waits for its answer, since a change comes right after one.
	keyTurnLife = 20 * time.Second
	// keyPatience is how long other nodes are asked for their keys before a file's are taken up.
	keyPatience = 2 * time.Second
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

// keyChange is one stage of a rotation.
type keyChange = func(configs.KeyFile) (configs.KeyFile, error)

// changeKeys makes one change to the key file, and then to the keys in use. One that was made already is made. Where the
// file cannot be written, the answer says why, and nothing else is changed: a node must not forget at its next start
// what the others rely on.
func (a *agent) changeKeys(r control.Request, change keyChange) control.Response {
	path := a.config.Cluster.KeyFile
	before, err := configs.ReadKeyFile(path)
	if err != nil {
		return control.Fail(control.FailRefused, "%s: %s", a.self.Name, keyFileTrouble(err))
	}
	after, err := change(before)
	if err == nil {
		err = a.agrees(after, change)
	}
	if err != nil {
		return control.Fail(control.FailRefused, "%s: %v", a.self.Name, err)
	}
	fingerprint := r.Keys.Fingerprint
	if after.Text() == before.Text() && slices.Equal(after.Keys(), a.heldKeys()) {
		return control.Reply(a.nodeKeysAbout(fingerprint))
	}
	a.asks(r)
	if err := a.writeKeys(path, before, after); err != nil {
		said := a.nodeKeysAbout(fingerprint)
		said.Unwritten = why(err)
		if err := a.leaveNext(before, change); err != nil {
			said.Unwritten += "; nor " + why(err)
		}
		said.Next = a.nextKeyFile()
		a.diary.trouble(logrus.Fields{}, "key file not written", err)
		return control.Reply(said)
	}
	return a.useKeys(after, fingerprint)
}

// agrees refuses a change where the file says something else than is in use: what an operator has written there would
// be taken up unseen.
func (a *agent) agrees(after configs.KeyFile, change keyChange) error {
	held := a.heldKeys()
	wanted, err := change(configs.KeyFileOf(held))
	if err != nil {
		return err
	}
	if !slices.Equal(wanted.Keys(), after.Keys()) {
		return fmt.Errorf("%s does not hold what is in use (%s): agentctl keys reload %s has the agent take it up",
			a.config.Cluster.KeyFile, strings.Join(configs.Fingerprints(held), ", "), a.self.Name)
	}
	return nil
}

// writeKeys writes the file if it has to be changed. An error after which the file is as wanted is none.
func (a *agent) writeKeys(path string, before, after configs.KeyFile) error {
	if after.Text() == before.Text() {
		return nil
	}
	err := configs.WriteKeyFile(path, after)
	if err == nil {
		return nil
	}
	if now, readErr := configs.ReadKeyFile(path); readErr == nil && now.Text() == after.Text() {
		a.diary.trouble(logrus.Fields{}, "key file may not outlast a power cut", err)
		return nil
	}
	return err
}

// leaveNext writes down what the key file should hold, for an operator to put there. A key that waits there already
// stays beside the next.
func (a *agent) leaveNext(before configs.KeyFile, change keyChange) error {
	wanted, err := change(before)
	if err != nil {
		return err
	}
	waiting, err := configs.ReadKeyFile(a.nextKeyFile())
	keys := before.Keys()
	if err == nil && len(wanted.Keys()) > len(keys) && len(waiting.Keys()) > len(keys) && slices.Equal(waiting.Keys()[:len(keys)], keys) {
		if wanted, err = change(waiting); err != nil {
			return err
		}
	}
	return configs.WriteNewKeyFile(a.nextKeyFile(), wanted)
}

// useKeys takes up the keys of a file that is on the disk.
func (a *agent) useKeys(f configs.KeyFile, fingerprint string) control.Response {
	before := configs.Fingerprints(a.heldKeys())
	var raw [][]byte
	for _, k := range f.Keys() {
		raw = append(raw, k[:])
	}
	if err := a.gossip.SetKeys(raw); err != nil {
		return control.Fail(control.FailInternal, "%s: %v", a.self.Name, err)
	}
	if err := os.Remove(a.nextKeyFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.diary.trouble(logrus.Fields{}, "key file to come not removed", err)
	}
	if now := configs.Fingerprints(f.Keys()); !slices.Equal(now, before) {
		a.diary.change(logrus.Fields{fieldKeys: strings.Join(now, " ")}, "gossip keys changed")
	}
	return control.Reply(a.nodeKeysAbout(fingerprint))
}

func (a *agent) nodeKeysAbout(fingerprint string) control.NodeKeys {
	said := a.nodeKeys()
	said.Fingerprint = fingerprint
	return said
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

// reloadKeys takes up what the file holds, as an operator has written it.
func (a *agent) reloadKeys(ctx context.Context, r control.Request) control.Response {
	file, err := configs.ReadKeyFile(a.config.Cluster.KeyFile)
	if err != nil {
		return control.Fail(control.FailRefused, "%s: %s", a.self.Name, keyFileTrouble(err))
	}
	if err := a.maySeal(ctx, file); err != nil {
		return control.Fail(control.FailRefused, "%v", err)
	}
	a.asks(r)
	return a.useKeys(file, "")
}

// maySeal refuses the keys of a file with which this node would not understand another that answers now, or not be
// understood by it. What is in use already is fine.
func (a *agent) maySeal(ctx context.Context, file configs.KeyFile) error {
	if slices.Equal(file.Keys(), a.heldKeys()) {
		return nil
	}
	self := control.NodeKeys{Node: a.self.Name, File: configs.Fingerprints(file.Keys())}
	for _, f := range self.File {
		self.Keys = append(self.Keys, control.HeldKey{Fingerprint: f})
	}
	for _, gap := range control.KeyGaps(append(a.othersKeys(ctx), self)) {
		switch a.self.Name {
		case gap.From:
			return fmt.Errorf("by its key file %s would seal with %s, which %s does not have: first give it to all as a further one", gap.From, gap.Key, gap.To)
		case gap.To:
			return fmt.Errorf("by its key file %s would not have %s, with which %s seals: keep it until all seal with another", gap.To, gap.Key, gap.From)
		}
	}
	return nil
}

// othersKeys asks the other nodes for their keys. Those that do not answer have none.
func (a *agent) othersKeys(ctx context.Context) []control.NodeKeys {
	ctx, cancel := context.WithTimeout(ctx, keyPatience)
	defer cancel()
	names := a.nodeNames()
	all := make([]control.NodeKeys, len(names))
	asking := newCrew(a.loop.failed)
	for i, node := range names {
		if node == a.self.Name {
			continue
		}
		asking.start(func() {
			r := control.Request{Command: control.CommandKeys, Node: node, Keys: control.KeysRequest{Action: control.KeysList}}
			if resp, err := a.askNode(ctx, r); err == nil {
				_ = json.Unmarshal(resp.Body, &all[i]) // one that is none stays without a name
			}
		})
	}
	asking.wait()
	return slices.DeleteFunc(all, func(n control.NodeKeys) bool { return n.Node == "" })
}
