package agent

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDiskOf(t *testing.T) {
	if kind, slow := diskOf("/dev/shm"); slow {
		t.Errorf("/dev/shm: %s", kind)
	}
	if kind, slow := diskOf("/proc"); !slow || kind != "file system type 0x9fa0" {
		t.Errorf("/proc: %q, %v; want it named, since it is no file system in memory", kind, slow)
	}
}

func TestCoresFor(t *testing.T) {
	many := min(coresMax, coresGranted)
	for nodes, want := range map[int]int{3: 1, nodesForOne: 1, nodesForOne + 1: many, 1000: many} {
		if got := coresFor(nodes); got != want {
			t.Errorf("%d nodes: %d cores, want %d", nodes, got, want)
		}
	}
}

// The whole program is in memory afterwards, where the limit allows; where it does not, that is said.
func TestLockMemory(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	switch err := lockMemory(); {
	case err != nil && limit.Cur == unix.RLIM_INFINITY, err != nil && !strings.HasPrefix(err.Error(), "lock memory: "):
		t.Fatal(err)
	case err != nil:
		return // of a process without the privilege
	}
	status, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var of, size string
	for line := range strings.Lines(string(status)) {
		switch f := strings.Fields(line); {
		case len(f) >= 6 && f[1] == "r-xp" && f[5] == program:
			of = f[5]
		case f[0] == "Size:" && of != "":
			size = f[1]
		case f[0] == "Rss:" && of != "":
			if f[1] != size {
				t.Errorf("%s kB of the program's %s kB are in memory", f[1], size)
			}
			of = ""
		}
	}
	if size == "" {
		t.Errorf("%s has no program in\n%s", program, status)
	}
}
