package apart

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

var outside error

func TestMain(m *testing.M) {
	outside = Enter()
	m.Run()
}

// Where the tests run there is no interface but a loopback that nobody has brought up, and a mount is theirs alone.
func TestEnter(t *testing.T) {
	if outside != nil {
		t.Fatal(outside)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp != 0 {
		t.Errorf("interfaces %v, want a loopback that is down", links)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Errorf("make mounts private: %v", err)
	}
}

// A test alone has a loopback that works. From without, how the run inside ended is how the test ends.
func TestTest(t *testing.T) {
	if !Test(t) {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// failureVariable has TestOfItsOwnFails fail where it runs apart.
const failureVariable = "MEMVIP_APART_FAILS"

func TestOfItsOwnFails(t *testing.T) {
	if os.Getenv(failureVariable) == "" {
		again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), failureVariable+"=1")
		out, err := again.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "failed on purpose") {
			t.Errorf("a test that fails apart ended with %v and said:\n%s", err, out)
		}
		return
	}
	if Test(t) {
		t.Error("failed on purpose")
	}
}

// Exit codes are a shell's, so that whoever calls the tests learns how they ended.
func TestExitCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 128 + int(syscall.SIGKILL)} {
		cmd := exec.Command("sh", "-c", script)
		_ = cmd.Run()
		if got := ExitCode(cmd.ProcessState); got != want {
			t.Errorf("%s: exit code %d, want %d", script, got, want)
		}
	}
}
