//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/agent/gossip"
	"memvip/configs"
	"memvip/integration/lab"
)

// ownKeyFiles is a lab whose hosts have a key file each, as real ones do.
type ownKeyFiles struct {
	*cluster
	old     configs.Key
	secrets map[string]bool // all keys that were ever seen
}

// startWithKeys starts a cluster of such hosts.
func startWithKeys(t *testing.T) *ownKeyFiles {
	t.Helper()
	c := &ownKeyFiles{cluster: newCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true})}
	shared, err := configs.ReadKeyFile(filepath.Join(c.Dir(), "gossip.key"))
	must(t, err)
	c.old, c.secrets = shared.Keys()[0], map[string]bool{shared.Keys()[0].Text(): true}
	text, err := os.ReadFile(c.Config())
	must(t, err)
	for _, h := range c.Hosts {
		must(t, os.MkdirAll(filepath.Dir(c.keyFile(h)), 0o755))
		must(t, os.WriteFile(c.keyFile(h), []byte("# of "+h.Name+"\n"+shared.Text()), 0o600))
		must(t, os.Chmod(c.keyFile(h), 0o640))
		h.Agent().Config = filepath.Join(c.Dir(), h.Name+".toml")
		must(t, os.WriteFile(h.Agent().Config, []byte(strings.Replace(string(text), filepath.Join(c.Dir(), "gossip.key"), c.keyFile(h), 1)), 0o644))
	}
	c.judge(t)
	must(t, c.Start())
	c.awaitHome(t)
	return c
}

// keyFile is where a host has its key.
func (c *ownKeyFiles) keyFile(h *lab.Host) string {
	return filepath.Join(c.Dir(), "keys", h.Name, "gossip.key")
}

// keys are the fingerprints of what a host's key file holds.
func (c *ownKeyFiles) keys(t *testing.T, h *lab.Host) []string {
	t.Helper()
	f, err := configs.ReadKeyFile(c.keyFile(h))
	must(t, err)
	for _, k := range f.Keys() {
		c.secrets[k.Text()] = true
	}
	return configs.Fingerprints(f.Keys())
}

// assertSecret demands that no key is where only fingerprints belong.
func (c *ownKeyFiles) assertSecret(t *testing.T) {
	t.Helper()
	if len(c.secrets) < 4 {
		t.Errorf("%d keys were seen, want one more than rotations", len(c.secrets))
	}
	for _, h := range c.Hosts {
		said := map[string]string{"its log": h.Agent().Log()}
		for _, command := range []string{"history", "status", "keys", "explain " + h.Name} {
			out, _, err := h.Agent().Ctl(within(t), append(strings.Fields(command), "--json")...)
			must(t, err)
			said["agentctl "+command] = string(out)
		}
		must(t, filepath.WalkDir(h.Agent().RuntimeDir(), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var text []byte
				text, err = os.ReadFile(path)
				said[path] = string(text)
			}
			return err
		}))
		for where, text := range said {
			for secret := range c.secrets {
				if strings.Contains(text, strings.TrimRight(secret, "=")) {
					t.Errorf("on %s a key is in %s", h.Name, where)
				}
			}
		}
	}
}

// refused is how many packets the agent of a host has dropped since its start for their seal.
func (c *ownKeyFiles) refused(t *testing.T, h *lab.Host) uint64 {
	t.Helper()
	r, _ := c.status(t, h)
	raw, err := json.Marshal(r.Gossip.Counters)
	must(t, err)
	var counters struct{ Dropped map[string]uint64 }
	must(t, json.Unmarshal(raw, &counters))
	return counters.Dropped[gossip.DropUndecryptable.String()]
}

// block keeps the agent of a host from writing its key file, as a read-only file system does, until unblock is called.
func (c *ownKeyFiles) block(t *testing.T, h *lab.Host) (unblock func()) {
	t.Helper()
	inTheWay := filepath.Join(filepath.Dir(c.keyFile(h)), ".gossip.key.new")
	must(t, os.MkdirAll(filepath.Join(inTheWay, "occupied"), 0o755))
	return func() { must(t, os.RemoveAll(inTheWay)) }
}

// assertOnly demands that every host's file holds one key, and that no agent uses another.
func (c *ownKeyFiles) assertOnly(t *testing.T) string {
	t.Helper()
	key := c.keys(t, c.Hosts[0])
	for _, h := range c.Hosts {
		if got := c.keys(t, h); len(got) != 1 || got[0] != key[0] || got[0] == c.old.Fingerprint() {
			t.Errorf("the key file of %s holds %v, the first host's %v, and before it was %v", h.Name, got, key, c.old)
		}
		text, err := os.ReadFile(c.keyFile(h))
		must(t, err)
		info, err := os.Stat(c.keyFile(h))
		must(t, err)
		if !strings.HasPrefix(string(text), "# of "+h.Name+"\n") || info.Mode().Perm() != 0o640 {
			t.Errorf("the key file of %s lost its comment or its mode (%v)", h.Name, info.Mode())
		}
	}
	return key[0]
}

// The key is rotated while clients run: nothing moves, no operation fails, no packet is refused, and what agents have
// is what they start with again.
func TestKeysAreRotated(t *testing.T) {
	c := startWithKeys(t)
	here := c.Hosts[1]
	before := c.awaitTerms(t, here)
	c.ctl(t, here, 0, "cache1 "+c.old.Fingerprint()+" - the same cache2 "+c.old.Fingerprint()+" - the same cache3", "keys")
	calm := func(what string, do func()) {
		t.Helper()
		since := lab.Now()
		do()
		must(t, c.client.WaitFor(within(t), patientLease))
		for _, v := range c.VIPs {
			o := c.client.Outage(v.Addr, since, lab.Now())
			t.Logf("%s: %v", what, o)
			if o.Failed > 0 || o.To != "" {
				t.Errorf("%s: %v", what, o)
			}
		}
		for _, h := range c.Hosts {
			if n := c.refused(t, h); n > 0 {
				t.Errorf("%s: %s refused %d packets", what, h.Name, n)
			}
		}
	}
	first := ""
	calm("rotated", func() {
		c.ctl(t, here, 0, "every node has key .* every node seals with .* no node has key "+c.old.Fingerprint()+" any more", "keys", "rotate")
		first = c.assertOnly(t)
	})
	calm("rotated by hand, on a host that may not write its key file", func() {
		unblock := c.block(t, c.Hosts[2])
		said := c.ctl(t, here, 4, "cache3 cannot write its key file.*on cache3: sudo agentctl keys save.*key .* is not installed on cache3", "keys", "install")
		unblock()
		c.ctl(t, here, 1, "cache3 could not write its key file", "keys")
		c.ctl(t, c.Hosts[2], 0, "cache3 has taken up .*: it seals with "+first+", and opens what was sealed with", "keys", "save")
		second := c.keys(t, c.Hosts[2])[1]
		if !strings.Contains(said, second) {
			t.Errorf("key %s was installed, and it was said: %s", second, said)
		}
		c.ctl(t, here, 1, first+" seals|seals with "+first, "keys", "remove", first)
		c.ctl(t, here, 0, "every node has key", "keys", "install", second)
		c.ctl(t, here, 0, "a rotation was not ended", "keys")
		c.ctl(t, here, 0, "every node has key.*every node seals with .* no node has key", "keys", "rotate", "--to", second)
		if got := c.assertOnly(t); got != second {
			t.Errorf("the nodes have %s, want %s", got, second)
		}
	})
	calm("written by others, one stage at a time", func() {
		next := configs.NewKey()
		for i, h := range c.Hosts { // the stages in a wrong order are refused
			f, err := configs.ReadKeyFile(c.keyFile(h))
			must(t, err)
			must(t, os.WriteFile(c.keyFile(h), []byte(next.Text()+"\n"), 0o640))
			refused := "by its key file " + h.Name + " would (seal with " + next.Fingerprint() + ", which|not have .*, with which) cache. "
			c.ctl(t, here, 1, refused, "keys", "reload", h.Name)
			if i == 0 { // its status says so until it begins anew, as it does below
				c.ctl(t, here, 1, refused, "reload", h.Name)
			}
			must(t, os.WriteFile(c.keyFile(h), []byte(f.Text()), 0o640))
		}
		for _, stage := range []func(f configs.KeyFile) (configs.KeyFile, error){
			func(f configs.KeyFile) (configs.KeyFile, error) { return f.With(next) },
			func(f configs.KeyFile) (configs.KeyFile, error) { return f.Using(next.Fingerprint()) },
			func(f configs.KeyFile) (configs.KeyFile, error) { return f.Without(f.Keys()[1].Fingerprint()) },
		} {
			for _, h := range c.Hosts {
				f, err := configs.ReadKeyFile(c.keyFile(h))
				must(t, err)
				f, err = stage(f)
				must(t, err)
				must(t, os.WriteFile(c.keyFile(h), []byte(f.Text()), 0o640))
			}
			for i, h := range c.Hosts {
				how := []string{"keys", "reload", h.Name}
				if i == 0 {
					how = how[1:] // the whole agent goes on with it as well
				}
				c.ctl(t, here, 0, h.Name, how...)
			}
		}
		c.assertOnly(t)
	})
	after := c.awaitStatus(t, here, int(control.AllWell))
	for i, v := range after.VIPs {
		if was := before.VIPs[i]; v.Epoch != was.Epoch {
			t.Errorf("%s: epoch %d after the rotations, was %d", v.Address, v.Epoch, was.Epoch)
		}
	}
	c.assertSecret(t)
	for _, h := range c.Hosts { // what they start with again
		struck(t)(h.Agent().Kill())
		must(t, h.Agent().Start())
		c.awaitHome(t)
	}
	c.awaitStatus(t, here, int(control.AllWell))
}

// A host that is cut off is named, and nothing is begun without it, unless an operator says so; then it is the odd one,
// is told apart by status, and mended by a copy of the key file.
func TestKeysAreNotRotatedWithoutANode(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	here, odd := c.Hosts[0], c.Hosts[2]
	c.awaitStatus(t, here, int(control.AllWell))
	struck(t)(c.Cut(odd))
	c.awaitAway(t, c.VIPs[2].Addr, odd.Name)
	for _, command := range [][]string{{"install"}, {"rotate"}, {"use", c.old.Fingerprint()}, {"remove", c.old.Fingerprint()}} {
		c.ctl(t, here, 1, "cache3 is missing: cache3 (has not answered|is not reached).*hint: .*--without cache3", slices.Concat([]string{"keys"}, command, []string{"--timeout", "2s"})...)
	}
	for _, h := range c.Hosts {
		if got := c.keys(t, h); !slices.Equal(got, []string{c.old.Fingerprint()}) {
			t.Errorf("the key file of %s has become %v", h.Name, got)
		}
	}
	c.ctl(t, here, 0, "no node has key "+c.old.Fingerprint()+" any more cache3 was left out", "keys", "rotate", "--without", odd.Name, "--timeout", "15s")
	struck(t)(c.Heal())
	await(t, "cache3 is known by its key", func() bool {
		r, _ := c.status(t, here)
		return slices.ContainsFunc(r.Problems, func(p control.Problem) bool {
			return p.Code == control.ProblemOtherKey && slices.Equal(p.Nodes, []string{odd.Name}) && strings.Contains(p.Hint, "agentctl keys reload")
		})
	})
	f, err := configs.ReadKeyFile(c.keyFile(here))
	must(t, err)
	must(t, os.WriteFile(c.keyFile(odd), []byte(f.Text()), 0o640))
	c.ctl(t, odd, 0, "cache3 has taken up .*: it seals with "+fmt.Sprint(f.Keys()[0])+" .*not compared with cache1", "keys", "reload")
	c.awaitHome(t)
	c.awaitStatus(t, here, int(control.AllWell))
}
