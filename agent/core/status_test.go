package core

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestIsTold changes one field after the other of what a node has published, and wants it to notice each
// but those that only count time or never change.
func TestIsTold(t *testing.T) {
	c := newCarousel(3, true)
	c.untilHome(t)
	m := c.nodes[0].m
	silent := []string{"Node", "Seq", "Version", "Build", "Witness", "Detector", "Fence", "Config", "Name", "HeldFor", "Wait", "ConflictAgo"}
	probe := func(part any) {
		v := reflect.ValueOf(part).Elem()
		for i := range v.NumField() {
			name, f := v.Type().Field(i).Name, v.Field(i)
			if f.Kind() == reflect.Slice {
				continue // its elements are probed
			}
			was := reflect.ValueOf(f.Interface())
			f.Set(another(t, f))
			if got, want := m.isTold(), slices.Contains(silent, name); got != want {
				t.Errorf("%s.%s differs: told %t", v.Type().Name(), name, got)
			}
			f.Set(was)
		}
	}
	if !m.isTold() {
		t.Fatal("not told what it has just published")
	}
	m.ownMACs([]string{"02:00:00:00:00:99"})
	if m.isTold() {
		t.Error("NodeState.MACs differs: told true")
	}
	m.ownMACs(m.described.MACs)
	probe(&m.described)
	probe(&m.described.Instances[0])
	for i := range m.described.VIPs {
		probe(&m.described.VIPs[i])
	}
}

// TestCandidacyIsTold: that a node asks for a VIP is told once it has lasted; it does not make the claim longer.
func TestCandidacyIsTold(t *testing.T) {
	m, l, _ := proved()
	version := m.state().Version
	m.claimFresh(l)
	for _, c := range []struct {
		after time.Duration
		want  Role
	}{{0, Idle}, {candidacyTold - 1, Idle}, {candidacyTold, Candidate}} {
		m.now = l.try.began.Add(c.after)
		if own := m.Status(m.now).Nodes[0]; own.Name != "n0" || own.State.VIPs[0].Role != Candidate || own.State.VIPs[0].Epoch != l.term.Epoch {
			t.Errorf("%s after it began the node itself says %+v", c.after, own)
		}
		s := m.state()
		if v, _ := s.vip("v1"); v.Role != c.want || (v.Epoch == l.term.Epoch) != (c.want == Candidate) || (s.Version == version) != (c.want == Idle) {
			t.Errorf("%s after it began: told %s of epoch %d, version %d after %d", c.after, v.Role, v.Epoch, s.Version, version)
		}
	}
}

// another returns a value that differs from f's in its first part.
func another(t *testing.T, f reflect.Value) reflect.Value {
	x := reflect.New(f.Type()).Elem()
	x.Set(f)
	switch {
	case f.Kind() == reflect.Struct:
		x.Field(0).Set(another(t, f.Field(0)))
	case f.Kind() == reflect.Bool:
		x.SetBool(!f.Bool())
	case f.Kind() == reflect.String:
		x.SetString(f.String() + "x")
	case f.CanInt():
		x.SetInt(f.Int() + 1)
	case f.CanUint():
		x.SetUint(f.Uint() + 1)
	default:
		t.Fatalf("no other value of %s", f.Type())
	}
	return x
}

// TestStatusOfAVoterThatOnlyRefused: a voter without memory refuses whatever it is asked. Whoever is lost meanwhile has
// never answered, and must not be told among those that answer.
func TestStatusOfAVoterThatOnlyRefused(t *testing.T) {
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a"}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(2 * time.Second)
	a := w.nodes["a"]
	if v := a.m.Status(w.now).Voters[2]; v.LastReason != Silent.String() || v.Heard {
		t.Fatalf("while c grants nothing: %+v", v)
	}
	w.split([][]string{{"a", "b"}, {"c"}})
	w.run(7 * time.Second)
	s := a.m.Status(w.now)
	if v := s.Voters[2]; v.Name != "c" || v.Heard {
		t.Errorf("c has answered nothing and is lost: %+v", v)
	}
	if v := s.Voters[1]; !v.Heard || v.Ago > 600*time.Millisecond || !s.Quorate {
		t.Errorf("b has answered since: %+v", v)
	}
}

// TestStatusAfterTheLease cuts a holder off. Once its lease is over its own status must not name it, though
// the voters it last heard did.
func TestStatusAfterTheLease(t *testing.T) {
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a"}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(7 * time.Second)
	a := w.nodes["a"]
	if s := a.m.Status(w.now).VIPs[0]; s.Holder != "a" || !s.Holding {
		t.Fatalf("before the cut: %+v", s)
	}
	w.split([][]string{{"a"}, {"b", "c"}})
	for a.up["v1"] {
		w.run(time.Millisecond)
	}
	if s := a.m.Status(w.now).VIPs[0]; s.Holder != "" || s.Holding {
		t.Errorf("when its address is down: %+v", s)
	}
}
