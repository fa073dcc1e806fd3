package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/gossip"
	"memvip/agent/history"
	"memvip/agent/operate"
	"memvip/configs"
)

// keyMember is a node with nothing but its gossip, its key file, and what answers questions about keys.
type keyMember struct {
	*agent
	t    *testing.T
	dir  string
	log  *logtest.Hook
	deaf atomic.Bool // it answers no question, as an agent of an older version
}

// keyMembers are h1, h2 and h3, each with a key file of its own that holds one and the same key.
func keyMembers(t *testing.T, settings string) (members []*keyMember, old configs.Key) {
	t.Helper()
	needNamespaces(t)
	if err := linkUp("lo"); err != nil {
		t.Fatal(err)
	}
	old = configs.NewKey()
	port := freeGossipPort(t)
	for _, name := range []string{"h1", "h2", "h3"} {
		dir := t.TempDir()
		text := fmt.Sprintf("[cluster]\nname = \"keys\"\nvoters = { h1 = \"127.0.0.11\", h2 = \"127.0.0.12\", h3 = \"127.0.0.13\" }\nport = %d\nlease = \"300ms\"\nkey_file = \"gossip.key\"\n%s\n"+
			"[memcached]\naddress = \"127.0.0.1:11211\"\n[[vip]]\naddress = \"10.77.0.101\"\nhome = \"h1\"\n", port, settings)
		writeText(t, filepath.Join(dir, "agent.toml"), text)
		writeText(t, filepath.Join(dir, "gossip.key"), "# "+name+"\n"+old.Text()+"\n")
		m := &keyMember{t: t, dir: dir}
		m.open(name)
		members = append(members, m)
	}
	for _, m := range members {
		eventually(t, "all to see all", func() bool {
			return !slices.ContainsFunc(m.gossip.Members(), func(o gossip.Member) bool { return !o.Alive })
		})
	}
	return members, old
}

func freeGossipPort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenTCP("tcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open begins a life, with the keys that the file holds.
func (m *keyMember) open(name string) {
	m.t.Helper()
	log, hook := logtest.NewNullLogger()
	m.log = hook
	a := &agent{
		options: Options{RuntimeDir: m.dir, ConfigPath: filepath.Join(m.dir, "agent.toml"), Node: name},
		diary:   newDiary(log), ready: make(chan struct{}),
	}
	if err := a.openConfig(); err != nil {
		m.t.Fatal(err)
	}
	a.openHistory(1)
	s := shared{queue: newQueue(), diary: a.diary, failed: func(err error) { m.t.Error(err) }}
	a.loop = &loop{shared: s, history: a.history}
	m.agent = a
	peers := map[string]netip.Addr{}
	for _, o := range a.config.AllNodes() {
		if o.Name != name {
			peers[o.Name] = o.Addr
		}
	}
	var keys [][]byte
	for _, k := range a.config.Cluster.Keys {
		keys = append(keys, k[:])
	}
	var err error
	a.gossip, err = gossip.Start(gossip.Options{
		Node: name, Bind: a.self.Addr, Port: a.config.Cluster.Port, Keys: keys, Peers: peers, Lease: a.config.Cluster.Lease, ClusterName: "keys",
		OnMessage: func(string, core.Message) {}, OnState: func(core.NodeState) {},
		OnCall: func(ctx context.Context, from string, question []byte) []byte {
			if m.deaf.Load() {
				answer, _ := json.Marshal(control.Fail(control.FailUnknownCommand, "unknown command"))
				return answer
			}
			return a.answerNode(ctx, from, question)
		},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	close(a.ready)
	m.t.Cleanup(func() { m.end(a) })
}

// end ends a life, without a goodbye.
func (m *keyMember) end(a *agent) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := errors.Join(a.gossip.Close(ctx), a.close()); err != nil {
		m.t.Error(err)
	}
}

// Status is operate.Agent's.
func (m *keyMember) Status(context.Context, string) (control.Report, error) {
	r := control.Report{Node: m.self.Name}
	for _, name := range m.nodeNames() {
		r.Nodes = append(r.Nodes, control.Node{Name: name})
	}
	return r, nil
}

// Ask is operate.Agent's: what comes by the control socket.
func (m *keyMember) Ask(ctx context.Context, r control.Request, body any) error {
	r.Patience = 2000
	resp := m.answer(ctx, r)
	if resp.Failure != control.NoFailure {
		return &control.Unreached{Reason: control.ReasonFailed, Failure: resp.Failure, Text: resp.Text, Detail: "the agent answers: " + resp.Text}
	}
	return json.Unmarshal(resp.Body, body)
}

// keyFile is what the member's file holds, by fingerprints.
func (m *keyMember) keyFile() []string {
	m.t.Helper()
	f, err := configs.ReadKeyFile(m.config.Cluster.KeyFile)
	if err != nil {
		m.t.Fatal(err)
	}
	return configs.Fingerprints(f.Keys())
}

// command carries an operator's command through on a member, and returns what is said.
func (m *keyMember) command(do func(context.Context, *operate.Session) error) (said string, err error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	var lines []string
	err = do(ctx, &operate.Session{Agent: m, Say: func(line string) { lines = append(lines, line) }})
	return strings.Join(lines, "\n"), err
}

func install(p operate.KeyPlan) func(context.Context, *operate.Session) error {
	return func(ctx context.Context, s *operate.Session) error { return s.KeysInstall(ctx, p) }
}

func use(key string) func(context.Context, *operate.Session) error {
	return func(ctx context.Context, s *operate.Session) error {
		return s.KeysUse(ctx, operate.KeyPlan{Fingerprint: key})
	}
}

func remove(key string) func(context.Context, *operate.Session) error {
	return func(ctx context.Context, s *operate.Session) error {
		return s.KeysRemove(ctx, operate.KeyPlan{Fingerprint: key})
	}
}

func rotate(p operate.KeyPlan) func(context.Context, *operate.Session) error {
	return func(ctx context.Context, s *operate.Session) error { return s.KeysRotate(ctx, p) }
}

func reloadKeys(nodes ...string) func(context.Context, *operate.Session) error {
	return func(ctx context.Context, s *operate.Session) error { return s.KeysReload(ctx, nodes) }
}

// saveKeys writes what waits to be written.
func saveKeys(ctx context.Context, s *operate.Session) error {
	return s.KeysSave(ctx, "", func(next, path string) error {
		f, err := configs.ReadKeyFile(next)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(f.Text()), 0o600)
	})
}

// done carries a command through that has to succeed, and say this.
func (m *keyMember) done(says string, do func(context.Context, *operate.Session) error) string {
	m.t.Helper()
	said, err := m.command(do)
	if err != nil || !strings.Contains(said, says) {
		m.t.Fatalf("error %v, said %q, want %q", err, said, says)
	}
	return said
}

// refuses carries a command through that must not change anything, and demands why and a hint.
func (m *keyMember) refuses(says, hint string, do func(context.Context, *operate.Session) error) {
	m.t.Helper()
	said, err := m.command(do)
	text, advice := fmt.Sprint(err), ""
	if r, ok := errors.AsType[*operate.RefusedError](err); ok {
		advice = r.Hint
	}
	if err == nil || !strings.Contains(text, says) || !strings.Contains(advice, hint) {
		m.t.Errorf("error %v (hint %q), said %q, want refused: %q (hint %q)", err, advice, said, says, hint)
	}
}

// have demands that files and agents have exactly these keys.
func have(t *testing.T, members []*keyMember, keys ...string) {
	t.Helper()
	for _, m := range members {
		if file, used := m.keyFile(), configs.Fingerprints(m.heldKeys()); !slices.Equal(file, keys) || !slices.Equal(used, keys) {
			t.Errorf("%s: file %v, in use %v, want %v", m.self.Name, file, used, keys)
		}
	}
}

// The three stages, each refused before the one before it is done, and each good to be repeated.
func TestKeyStages(t *testing.T) {
	members, old := keyMembers(t, "")
	here := members[1]
	next := configs.NewKey()
	was, will := old.Fingerprint(), next.Fingerprint()
	here.refuses("no node has a key "+will, "", use(will))
	for range 2 {
		here.done("every node has key "+will+"\nnext: agentctl keys use "+will, install(operate.KeyPlan{Key: control.Secret(next.Text())}))
	}
	have(t, members, was, will)
	here.refuses("h1 seals with "+was, "agentctl keys use", remove(was))
	here.refuses("h1 has key "+will+" already, with which no node seals", "agentctl keys rotate --to "+will, install(operate.KeyPlan{}))
	for range 2 {
		here.done("every node seals with "+will+"\nnext: agentctl keys remove "+was, use(will))
	}
	have(t, members, will, was)
	here.done("no node has key "+was+" any more", remove(was))
	here.done("no node has a key "+was, remove(was))
	have(t, members, will)
	here.refuses("h1 seals with "+will, "", remove(will))
	for _, m := range members {
		if n := m.gossip.Stats().Dropped[gossip.DropUndecryptable]; n > 0 {
			t.Errorf("%s refused %d packets", m.self.Name, n)
		}
		assertSecrets(t, m, old, next)
	}
}

// assertSecrets demands that neither log nor history nor answers have a key.
func assertSecrets(t *testing.T, m *keyMember, keys ...configs.Key) {
	t.Helper()
	var all strings.Builder
	for _, e := range m.log.AllEntries() {
		fmt.Fprintln(&all, e.Message, e.Data)
	}
	fmt.Fprintf(&all, "%+v\n", m.history.Read(history.Filter{}))
	answer, err := json.Marshal(m.nodeKeys())
	if err != nil {
		t.Fatal(err)
	}
	all.Write(answer)
	if !strings.Contains(all.String(), "keys use "+keys[len(keys)-1].Fingerprint()) {
		t.Errorf("%s does not say who used which key:\n%s", m.self.Name, all.String())
	}
	for _, k := range keys {
		if strings.Contains(all.String(), k.Text()[:8]) {
			t.Errorf("a key is in what %s says:\n%s", m.self.Name, all.String())
		}
	}
}

// A node that crashes between stages comes back with what its file holds, and the rotation goes on.
func TestKeysAfterACrash(t *testing.T) {
	members, old := keyMembers(t, "")
	here, other := members[0], members[2]
	crash := func() {
		other.end(other.agent)
		other.open("h3")
		eventually(t, "h3 to be back", func() bool {
			return !slices.ContainsFunc(here.gossip.Members(), func(o gossip.Member) bool { return !o.Alive })
		})
	}
	here.done("every node has key", install(operate.KeyPlan{}))
	crash()
	next := here.keyFile()[1]
	have(t, members, old.Fingerprint(), next)
	here.done("every node seals with", use(next))
	crash()
	have(t, members, next, old.Fingerprint())
	here.done("no node has key "+old.Fingerprint(), rotate(operate.KeyPlan{Fingerprint: next}))
	have(t, members, next)
}

// A node that does not answer keeps every stage from being begun, unless it is named.
func TestKeysWithoutANode(t *testing.T) {
	members, old := keyMembers(t, "")
	here, other := members[0], members[2]
	other.deaf.Store(true)
	missing := "h3 is missing: the agent on h3 is older"
	for _, do := range []func(context.Context, *operate.Session) error{
		install(operate.KeyPlan{}), use(old.Fingerprint()), remove(old.Fingerprint()), rotate(operate.KeyPlan{}),
	} {
		here.refuses(missing, "--without h3", do)
	}
	here.refuses("no node h9 is configured; there are h1, h2, h3", "", rotate(operate.KeyPlan{Without: []string{"h9"}}))
	have(t, members, old.Fingerprint())
	said := here.done("h3 was left out", rotate(operate.KeyPlan{Without: []string{"h3"}}))
	if next := here.keyFile(); len(next) != 1 || !strings.Contains(said, "no node has key "+old.Fingerprint()+" any more") {
		t.Errorf("h1 has %v; said %q", next, said)
	}
	have(t, members[:2], here.keyFile()...)
	have(t, members[2:], old.Fingerprint())
}

// A key is not removed while packets arrive that were sealed with it, whoever is said to be switched off.
func TestAKeyThatIsHeardIsNotRemoved(t *testing.T) {
	members, old := keyMembers(t, `voters_off = ["h3"]`)
	here := members[0]
	members[2].deaf.Store(true)
	here.done("every node has key", install(operate.KeyPlan{}))
	next := here.keyFile()[1]
	here.done("every node seals with", use(next))
	said, err := here.command(func(ctx context.Context, s *operate.Session) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // until h2 is not heard with it any more
		defer cancel()
		return s.KeysRemove(ctx, operate.KeyPlan{Fingerprint: old.Fingerprint()})
	})
	if p, ok := errors.AsType[*operate.PartialError](err); !ok || !strings.Contains(p.Text, "has heard h3 seal with "+old.Fingerprint()) || !strings.Contains(said, "waiting: ") {
		t.Errorf("error %v, said %q", err, said)
	}
	have(t, members[:2], next, old.Fingerprint())
}

// While one operator changes keys no other does, and a turn ends by itself.
func TestOneOperatorChangesKeys(t *testing.T) {
	members, _ := keyMembers(t, "")
	first := control.Request{Command: control.CommandKeys, Keys: control.KeysRequest{Action: control.KeysList, Ticket: "first"}}
	var said control.NodeKeys
	if err := members[2].Ask(t.Context(), first, &said); err != nil {
		t.Fatal(err)
	}
	members[0].refuses("h3: keys are being changed by way of h3: one operator at a time", "", install(operate.KeyPlan{}))
	members[2].refuses("one operator at a time", "", install(operate.KeyPlan{})) // nor beside, on the same node
	first.Keys.Action = control.KeysDone
	if err := members[2].Ask(t.Context(), first, &said); err != nil {
		t.Fatal(err)
	}
	members[0].done("every node has key", install(operate.KeyPlan{}))
	have(t, members, members[1].keyFile()...)
}

func TestKeyTurns(t *testing.T) {
	var k keyKeeper
	now := time.Now()
	for i, c := range []struct {
		ticket  string
		at      time.Duration
		refused string
	}{
		{"", 0, "needs a ticket"},
		{"one", 0, ""},
		{"one", keyTurnLife - 1, ""},
		{"two", keyTurnLife, "by way of h1"},
		{"two", 2 * keyTurnLife, ""},
		{"one", 2 * keyTurnLife, "by way of h1"},
	} {
		err := k.admit(c.ticket, "h1", now.Add(c.at))
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%d: %q after %s: %v, want %q", i, c.ticket, c.at, err, c.refused)
		}
	}
	k.leave("one") // not its own
	if err := k.admit("three", "h1", now.Add(2*keyTurnLife)); err == nil {
		t.Error("a turn was ended by another's word")
	}
	k.leave("two")
	if err := k.admit("three", "h1", now.Add(2*keyTurnLife)); err != nil {
		t.Error(err)
	}
}

// An agent that may not write its key file says so, and an operator writes it.
func TestKeyFileIsWrittenByAnOperator(t *testing.T) {
	members, old := keyMembers(t, "")
	here := members[0]
	for _, m := range members[:2] { // as on a read-only file system
		if err := os.MkdirAll(filepath.Join(m.dir, ".gossip.key.new", "occupied"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	unfinished := func(text string, do func(context.Context, *operate.Session) error) {
		t.Helper()
		said, err := here.command(do)
		partial, ok := errors.AsType[*operate.PartialError](err)
		if !ok || partial.Text != text {
			t.Fatalf("error %v, said %q, want %q", err, said, text)
		}
		for _, m := range members[:2] {
			for _, want := range []string{m.self.Name + " cannot write its key file: ", "is in " + m.nextKeyFile() + "; on " + m.self.Name + ": sudo agentctl keys save"} {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, want %q", said, want)
				}
			}
		}
	}
	save := func() {
		t.Helper()
		for _, m := range members[:2] {
			m.done(m.self.Name+" has taken up", saveKeys)
			if _, err := os.Stat(m.nextKeyFile()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: what was saved still waits: %v", m.self.Name, err)
			}
		}
	}
	next := configs.NewKey()
	fingerprint := next.Fingerprint()
	for range 2 {
		unfinished("key "+fingerprint+" is not installed on h1 and h2", install(operate.KeyPlan{Key: control.Secret(next.Text())}))
	}
	have(t, members[:2], old.Fingerprint())
	here.refuses("h1 does not have key "+fingerprint, "agentctl keys install "+fingerprint, use(fingerprint))
	unfinished("key "+fingerprint+" is not installed on h1 and h2", rotate(operate.KeyPlan{Fingerprint: fingerprint}))
	save()
	have(t, members, old.Fingerprint(), fingerprint)
	unfinished(fingerprint+" is not what seals on h1 and h2", rotate(operate.KeyPlan{Fingerprint: fingerprint}))
	save()
	have(t, members, fingerprint, old.Fingerprint())
	unfinished("key "+old.Fingerprint()+" is not removed from h1 and h2", rotate(operate.KeyPlan{Fingerprint: fingerprint}))
	save()
	here.done("every node seals with "+fingerprint, rotate(operate.KeyPlan{Fingerprint: fingerprint}))
	have(t, members, fingerprint)
	here.done("nothing waits to be written on h1", saveKeys)

	// What has waited for too long.
	if err := configs.WriteNewKeyFile(here.nextKeyFile(), configs.KeyFileOf([]configs.Key{old, next})); err != nil {
		t.Fatal(err)
	}
	here.refuses("would not do any more: h1 seals with "+old.Fingerprint()+", which h2 does not have", "agentctl keys", saveKeys)
	have(t, members, fingerprint)
}

// A key that could not be written everywhere, and is not wanted after all, is dropped where it waits for an operator too.
func TestKeyThatWaitsIsDropped(t *testing.T) {
	members, old := keyMembers(t, "")
	here, stuck := members[0], members[2]
	if err := os.MkdirAll(filepath.Join(stuck.dir, ".gossip.key.new", "occupied"), 0o700); err != nil { // as on a read-only file system
		t.Fatal(err)
	}
	next := configs.NewKey()
	if said, err := here.command(install(operate.KeyPlan{Key: control.Secret(next.Text())})); err == nil {
		t.Fatalf("installed: %s", said)
	}
	have(t, members[:2], old.Fingerprint(), next.Fingerprint())
	here.done("no node has key "+next.Fingerprint()+" any more", remove(next.Fingerprint()))
	have(t, members, old.Fingerprint())
	if _, err := os.Stat(stuck.nextKeyFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it still waits there: %v", err)
	}
}

// What others wrote into a key file is taken up in the order of the stages, and refused in any other, unless nobody
// answers who would be in the way.
func TestKeyFileIsReloaded(t *testing.T) {
	members, old := keyMembers(t, "")
	here, other := members[0], members[1]
	next := configs.NewKey()
	write := func(m *keyMember, keys ...configs.Key) {
		t.Helper()
		writeText(t, m.config.Cluster.KeyFile, configs.KeyFileOf(keys).Text())
	}
	here.done("uses what is in", reloadKeys())
	write(other, next, old)
	here.refuses("by its key file h2 would seal with "+next.Fingerprint()+", which h1 does not have", "", reloadKeys("h2"))
	write(other, next)
	here.refuses("by its key file h2 would not have "+old.Fingerprint()+", with which h1 seals", "", reloadKeys("h2"))
	if err := other.trial(t.Context()); err == nil || !strings.Contains(err.Error(), "by its key file h2 would not have "+old.Fingerprint()) {
		t.Errorf("beginning anew, by reload or upgrade: %v", err)
	}
	writeText(t, other.config.Cluster.KeyFile, "nothing")
	here.refuses("is not base64", "", reloadKeys("h2"))
	here.refuses("h2: "+other.config.Cluster.KeyFile+" is not base64", "put a good file there", rotate(operate.KeyPlan{}))
	write(other, old, next)
	here.refuses("the key file of h2 has", "agentctl keys reload h2", rotate(operate.KeyPlan{}))
	take := control.Request{Command: control.CommandKeys, Keys: control.KeysRequest{Action: control.KeysNew, Ticket: "one"}}
	if resp := other.answer(t.Context(), take); resp.Failure != control.FailRefused || !strings.Contains(resp.Text, "does not hold what is in use") {
		t.Errorf("what nobody has seen would be taken up: %+v", resp)
	}
	take.Keys.Action = control.KeysDone
	if resp := other.answer(t.Context(), take); resp.Failure != control.NoFailure {
		t.Error(resp.Text)
	}
	for _, m := range members {
		write(m, old, next)
		here.done(m.self.Name+" has taken up", reloadKeys(m.self.Name))
	}
	have(t, members, old.Fingerprint(), next.Fingerprint())

	for _, m := range members[1:] {
		m.deaf.Store(true)
	}
	odd := configs.NewKey()
	write(here, odd)
	here.done("not compared with h2: ", reloadKeys())
	have(t, members[:1], odd.Fingerprint())
}
