//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

var incidents = []incident{
	{
		name:   "memcached_dead",
		strike: func(t *testing.T, s *scene) { struck(t)(s.home.Memcached().Kill()) },
		says: func(s *scene) []saying {
			return everywhere(`^memcached on cache1 is down \((the process exited|connection closed|connection refused)\)$`,
				`^on cache1: systemctl status memcached .*systemctl start memcached`, s.home, s.third)
		},
	},
	{
		name:   "memcached_hung",
		strike: func(t *testing.T, s *scene) { struck(t)(s.home.Memcached().Freeze()) },
		says: func(s *scene) []saying {
			return everywhere(`^memcached on cache1 hangs \((no answer in time|a worker thread hangs)\)$`,
				fmt.Sprintf(`^on cache1: ps .* -p %d .*kill -CONT .*systemctl restart memcached`, s.home.Memcached().PID()), s.home, s.third)
		},
	},
	{
		name:    "maxconns_reached",
		options: lab.Options{MemcachedArgs: []string{"-c", "64"}},
		strike:  func(t *testing.T, s *scene) { takeConnections(t, s.home) },
		says: func(s *scene) []saying {
			return everywhere(`^memcached on cache1 is up, but: maxconns reached \(-c 64\)$`,
				`^on cache1: ss -tn 'sport = :11211' .* run memcached with a higher -c than 64$`, s.home, s.third)
		},
	},
	{
		name: "flush_all_disabled",
		strike: func(t *testing.T, s *scene) {
			m := s.home.Memcached()
			struck(t)(m.Kill())
			m.Args = []string{"-F"}
			must(t, m.Start())
		},
		says: func(s *scene) []saying {
			return everywhere(`^memcached on cache1 cannot be proved clean \(flush_all is switched off \(-F\)\), so cache1 takes no VIP$`,
				`^on cache1: run memcached without -F .*systemctl restart memcached$`, s.home, s.third)
		},
	},
	{
		name:   "host_cut_off",
		strike: func(t *testing.T, s *scene) { struck(t)(s.Cut(s.home)) },
		says: func(s *scene) []saying {
			return append(everywhere(`^cache1, a voter, has not been heard for .*, and its host does not answer on the link: it is down, or cut off from cache[23]$`,
				`^power, cable and switch port of cache1; agentctl status on its own console`, s.second, s.third),
				saying{s.home, `^cache1 hears 1 of 3 voters, 2 are needed: it can hold no VIP; cache2 and cache3 do not answer$`,
					`^not even their hosts answer on the link: .*cache1 is cut off: see its cable and switch port`})
		},
	},
	{
		name:   "one_way_cut",
		strike: func(t *testing.T, s *scene) { struck(t)(s.OneWayCut(s.home, s.second)) },
		says: func(s *scene) []saying {
			hint := `^on cache2: tcpdump -ni any udp port \d+ and src host ` + in(s.home.Addr) + `; .* firewall on cache1 .* firewall on cache2`
			return append(everywhere(`^what cache1 sends does not reach cache2: cache1 hears cache2, but cache2 does not hear it$`, hint, s.home, s.third),
				saying{s.second, `^what cache1 sends does not reach cache2, though other nodes hear it$`, hint})
		},
	},
	{
		name: "quorum_lost",
		strike: func(t *testing.T, s *scene) {
			struck(t)(s.home.Agent().Kill())
			struck(t)(s.second.Agent().Kill())
		},
		says: func(s *scene) []saying {
			return []saying{
				{s.third, `^cache2, a voter, has not been heard for .*, though its host answers on the link: its agent does not run`,
					`^on cache2: systemctl status memvip-agent; .*firewall`},
				{s.third, `^cache3 hears 1 of 3 voters, 2 are needed: it can hold no VIP; cache1 and cache2 do not answer$`,
					`^see that the agents on cache1, cache2 run \(systemctl status memvip-agent\) and that UDP and TCP port \d+ between them pass`},
			}
		},
	},
	{
		name:   "vip_stolen_by_a_foreign_host",
		strike: steal,
		again:  func(t *testing.T, s *scene) { must(t, s.stranger.Announce(s.vip.Addr)) },
		says: func(s *scene) []saying {
			return everywhere(`^`+in(s.vip.Addr)+` is also claimed by `+s.stranger.MAC()+`, a host that is no member \(seen by `,
				`^find that MAC .*grep `+s.stranger.MAC()+`\), and on its host: ip address del `+in(s.vip.Addr), s.home, s.third)
		},
	},
	{
		name:   "vip_deleted_by_other_hands",
		strike: func(*testing.T, *scene) {},
		again:  func(t *testing.T, s *scene) { remove(t, s.home, s.vip) },
		then: func(t *testing.T, s *scene) {
			if !strings.Contains(s.home.Agent().Log(), " by=") {
				t.Error("the log of cache1 does not name what removed it")
			}
		},
		says: func(s *scene) []saying {
			return everywhere(`^somebody on cache1 removes `+in(s.vip.Addr)+` from its interface again and again$`,
				`^on cache1: journalctl -u memvip-agent \| grep by= names what removes it; keep .* from that address`, s.home, s.third)
		},
	},
	{
		name: "wrong_gossip_key",
		strike: func(t *testing.T, s *scene) {
			s.restartWith(t, "gossip.key", s.otherKey(t))
		},
		says: func(s *scene) []saying {
			key := `the key of cache%s does not open them: one of the two has another key$`
			hint := `^agentctl keys, on every host, .*; copy \S+\.key of another host to cache3, .*: agentctl keys reload$`
			return []saying{
				{s.home, `^cache3, a voter, has not been heard .*: its packets arrive \(\d+, .*` + fmt.Sprintf(key, "1"), hint},
				{s.third, `^cache1, a voter, has not been heard .*: its packets arrive \(\d+, .*` + fmt.Sprintf(key, "3"), hint},
			}
		},
	},
	{
		name: "configurations_differ",
		strike: func(t *testing.T, s *scene) {
			s.restartWith(t, `home     = "cache3"`, "home     = \"cache3\"\nfailback = \"manual\"")
		},
		says: func(s *scene) []saying {
			return everywhere(`^nodes run with different configurations: [0-9a-f]+ on cache1 and cache2; [0-9a-f]+ on cache3$`,
				`^compare the files: sha256sum \S+\.toml on every host; .* agentctl reload cache3$`, s.home, s.third)
		},
	},
	{
		name:    "home_flaps",
		options: lab.Options{VIPTOML: flapping, InstancePerVIP: true}, // so that whoever stands in can be proved clean again
		strike:  flap,
		says: func(s *scene) []saying {
			return everywhere(fmt.Sprintf(`^%s is at cache[23], not at its home cache1: waiting for failback_delay, which doubles with every loss: `+
				`cache1 lost it %d times within the last hour, .* left`, in(s.vip.Addr), losses),
				`^agentctl handback `+in(s.vip.Addr)+` brings it home without the wait$`, s.third)
		},
	},
}

// takeConnections takes all that a host's memcached has, for the rest of the test.
func takeConnections(t *testing.T, h *lab.Host) {
	t.Helper()
	const none = "ERROR Too many open connections"
	await(t, "memcached on "+h.Name+" turns a connection away", func() bool {
		s, err := h.Memcached().Open(within(t))
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		said, err := s.Do("mn")
		return err != nil || said == none
	})
}

// steal has a stranger on the first VIP's address.
func steal(t *testing.T, s *scene) {
	t.Helper()
	stranger, err := s.AddStranger(within(t))
	must(t, err)
	must(t, stranger.Take(s.vip.Addr))
	s.stranger = stranger
}

// remove takes a VIP from a host's interface, as a script does that knows only its own addresses.
func remove(t *testing.T, h *lab.Host, v lab.VIP) {
	t.Helper()
	// It fails where the agent puts the address back faster than ip looks whether it is gone.
	if err := h.Run(within(t), "ip", "address", "flush", "dev", "eth0", "to", v.Addr.String()); err != nil {
		t.Log(err)
	}
}

// flap has the first VIP's home lose it again and again, and be well in between.
func flap(t *testing.T, s *scene) {
	t.Helper()
	for i := range losses {
		if i > 0 {
			s.awaitPlace(t, control.PlaceHome)
		}
		struck(t)(s.home.Memcached().Kill())
		s.awaitPlace(t, control.PlaceAway)
		must(t, s.home.Memcached().Start())
	}
}

// restartWith kills the third host's agent, and starts it with a configuration of its own in which something old
// is new.
func (s *scene) restartWith(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(s.Config())
	must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("the lab's configuration has no %q:\n%s", old, text)
	}
	a := s.third.Agent()
	struck(t)(a.Kill())
	a.Config = filepath.Join(s.Dir(), "odd.toml")
	must(t, os.WriteFile(a.Config, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
	must(t, a.Start())
}

// otherKey makes another key beside the lab's, and returns the name of its file.
func (s *scene) otherKey(t *testing.T) string {
	t.Helper()
	secret := make([]byte, 32)
	_, err := rand.Read(secret)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.Dir(), "odd.key"), []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600))
	return "odd.key"
}
