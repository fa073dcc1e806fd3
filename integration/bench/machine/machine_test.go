package machine

import (
	"strings"
	"testing"
)

func TestModelName(t *testing.T) {
	const text = "processor\t: 0\nmodel name\t: Imaginary 3000\nmodel name\t: Other\n"
	if got := modelName(text); got != "Imaginary 3000" {
		t.Errorf("got %q", got)
	}
	if got := modelName("processor\t: 0\n"); got != "" {
		t.Errorf("got %q of a machine that does not tell", got)
	}
}

func TestString(t *testing.T) {
	m := Machine{Cores: 2, CPU: "Imaginary 3000", Memory: "24 GiB", Kernel: "Linux 6.18", Root: true, Load: 0.25}
	if got, want := m.String(), "2 cores (Imaginary 3000), 24 GiB, Linux 6.18, as root"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Machine{}).String(); !strings.Contains(got, "unknown") {
		t.Errorf("got %q of nothing", got)
	}
}

func TestAllUsers(t *testing.T) {
	for uidMap, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"         0       1000          1\n": false,
		"0 0 1\n":                            false, "": false,
	} {
		if allUsers(uidMap) != want {
			t.Errorf("uid_map %q is the machine's own: %v, want %v", uidMap, !want, want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	if m := Look(); m.Cores < 1 || m.Kernel == "" || m.Memory == "" {
		t.Errorf("%+v", m)
	}
}

func TestVersion(t *testing.T) {
	if got, err := Version(t.Context(), "echo", "program version 1.2"); err != nil || got != "1.2" {
		t.Errorf("%q, %v", got, err)
	}
	for _, argv := range [][]string{{"false"}, {"true"}, {"/nowhere/program"}} {
		if got, err := Version(t.Context(), argv...); err == nil {
			t.Errorf("%v: %q", argv, got)
		}
	}
}
