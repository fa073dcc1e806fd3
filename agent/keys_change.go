package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/control"
	"memvip/configs"
)

// keyPatience is how long other nodes are asked for their keys before a file's are taken up.
const keyPatience = 2 * time.Second

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
		if err := a.changeNext(change); err != nil {
			return control.Fail(control.FailRefused, "%s: %v", a.self.Name, err)
		}
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

// changeNext makes a change to what waits to be put into the key file by an operator, too. When nothing new waits there any
// more, the file goes.
func (a *agent) changeNext(change keyChange) error {
	waiting, err := configs.ReadKeyFile(a.nextKeyFile())
	if err != nil {
		return nil // nothing waits, or nothing that anybody could save
	}
	wanted, err := change(waiting)
	switch {
	case err != nil:
		return err
	case slices.Equal(wanted.Keys(), a.heldKeys()):
		return os.Remove(a.nextKeyFile())
	case wanted.Text() == waiting.Text():
		return nil
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
