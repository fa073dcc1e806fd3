//go:build integration

package integration

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// incident is something that an operator finds a cluster in. What `agentctl status` says of it must be why, and what
// to do.
type incident struct {
	name    string
	options lab.Options
	strike  func(t *testing.T, s *scene)
	again   func(t *testing.T, s *scene) // what goes on to happen while status is awaited; nil for nothing
	says    func(s *scene) []saying
	then    func(t *testing.T, s *scene) // what must hold beyond that; nil for nothing
}

// saying is what status says on a host: in one problem the cause, and in its hint the way out.
type saying struct {
	on          *lab.Host
	cause, hint string // regular expressions
}

// scene is where an incident happens: to the home of the first VIP, seen by the other two, or to the third.
type scene struct {
	*cluster
	vip                 lab.VIP
	home, second, third *lab.Host
	stranger            *lab.Stranger
}

// everywhere is the same saying on several hosts.
func everywhere(cause, hint string, hosts ...*lab.Host) []saying {
	var list []saying
	for _, h := range hosts {
		list = append(list, saying{h, cause, hint})
	}
	return list
}

// TestIncidents has each of them happen to a cluster of its own, and reads what status says as a person does.
func TestIncidents(t *testing.T) {
	for _, i := range incidents {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			s := startScene(t, i.options)
			i.strike(t, s)
			for _, said := range i.says(s) {
				record(t, said.on, "status", s.awaitSaying(t, said, func() {
					if i.again != nil {
						i.again(t, s)
					}
				}))
			}
			if i.then != nil {
				i.then(t, s)
			}
		})
	}
}

// startScene starts everything and waits until every host says that all is well. Nothing else runs: no figure is
// measured here.
func startScene(t *testing.T, o lab.Options) *scene {
	t.Helper()
	tellStalls(t)
	o.Agent, o.AgentCtl, o.Lease = agentPath, ctlPath, patientLease
	l, err := lab.New(o)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	s := &scene{cluster: &cluster{Lab: l}, vip: l.VIPs[0], home: l.Hosts[0], second: l.Hosts[1], third: l.Hosts[2]}
	must(t, s.Start())
	for _, h := range s.Hosts {
		s.awaitWell(t, h)
	}
	return s
}

// awaitWell waits until the agent of a host is there and says that all is well.
func (s *scene) awaitWell(t *testing.T, h *lab.Host) {
	t.Helper()
	await(t, h.Name+" says that all is well", func() bool {
		_, code, err := h.Agent().Ctl(within(t), "status")
		must(t, err)
		return code == int(control.AllWell)
	})
}

// awaitSaying waits until status on a host has a problem with that cause and that hint, and returns the screen.
func (s *scene) awaitSaying(t *testing.T, want saying, meanwhile func()) (screen string) {
	t.Helper()
	cause, hint := regexp.MustCompile(want.cause), regexp.MustCompile(want.hint)
	if cause.MatchString("") || hint.MatchString("") {
		t.Fatalf("a problem without words would do: %q, %q", want.cause, want.hint)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("status on %s, where the cause should be\n%s\nand the hint\n%s\nsaid at last:\n%s", want.on.Name, want.cause, want.hint, screen)
		}
	})
	await(t, "status on "+want.on.Name+" says "+want.cause, func() bool {
		meanwhile()
		screen = s.look(t, want.on)
		for _, told := range problemsOn(screen) {
			if cause.MatchString(told.cause) && hint.MatchString(told.hint) {
				return true
			}
		}
		return false
	})
	return screen
}

// awaitPlace waits until status on the third host has the first VIP in a place.
func (s *scene) awaitPlace(t *testing.T, place control.Place) {
	t.Helper()
	await(t, s.vip.Addr.String()+" is "+string(place), func() bool {
		r, _ := s.status(t, s.third)
		return r.VIPs[s.vip.Index].Place == place
	})
}

// told is one problem of a screen, its lines joined.
type told struct{ cause, hint string }

// problemsOn takes the problems from what status printed.
func problemsOn(screen string) []told {
	var list []told
	hint := false
	for line := range strings.Lines(screen) {
		text := strings.TrimSpace(line)
		switch marked := len(line) > 2 && strings.ContainsRune("!*-", rune(line[0])) && line[1] == ' '; {
		case marked:
			list, hint = append(list, told{cause: text[2:]}), false
		case len(list) == 0 || !strings.HasPrefix(line, "  "):
			hint = false
		case strings.HasPrefix(text, "hint: "):
			list[len(list)-1].hint, hint = strings.TrimPrefix(text, "hint: "), true
		case hint:
			list[len(list)-1].hint += " " + text
		default:
			list[len(list)-1].cause += " " + text
		}
	}
	return list
}

func TestProblemsOn(t *testing.T) {
	got := problemsOn("x, seen from a\n\nNODE  HEARD\na     here\n\n* one of\n  two\n  hint: do\n    this\n- no hint\n\ndegraded\n")
	if len(got) != 2 || got[0] != (told{"one of two", "do this"}) || got[1] != (told{"no hint", ""}) {
		t.Errorf("got %q", got)
	}
}

// in turns an address into a regular expression.
func in(a netip.Addr) string { return regexp.QuoteMeta(a.String()) }

// flapping is a delay long enough to be seen once it has doubled twice.
const flapping = `failback_delay = "2s"`

// losses is how often the flapping home loses its VIP.
const losses = 3
