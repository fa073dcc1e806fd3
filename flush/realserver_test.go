package flush

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// realInstance is the installed memcached as a contract instance.
type realInstance struct {
	at      netip.AddrPort
	argv    []string
	process *exec.Cmd
	ended   chan struct{} // closed when process has ended
}

func startMemcached(t *testing.T, with settings) instance {
	t.Helper()
	binary, err := exec.LookPath("memcached")
	if err != nil {
		t.Fatal("memcached is not installed: apt-get install memcached")
	}
	args := argsFor(t, with)
	const tries = 5 // Another process may take the free port first.
	for range tries {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t))
		argv := append([]string{binary, "-p", strconv.Itoa(int(at.Port()))}, args...)
		i := &realInstance{at: at, argv: argv}
		if i.start(t) {
			t.Cleanup(func() { i.end(t) })
			return i
		}
	}
	t.Fatalf("memcached ended at once %d times", tries)
	return nil
}

func argsFor(t *testing.T, with settings) []string {
	threads, address := "4", "127.0.0.1"
	if with.oneThread {
		threads = "1"
	}
	if with.wildcard {
		address = "0.0.0.0"
	}
	if with.vipListener {
		address = "127.0.0.1," + destroyedVIP.String()
	}
	args := []string{"-U", "0", "-u", "root", "-t", threads, "-l", address}
	if with.noFlush {
		args = append(args, "-F")
	}
	if with.login {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte("user:password\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-Y", path)
	}
	if with.memoryFile {
		args = append(args, "-e", filepath.Join(t.TempDir(), "memory"))
	}
	if with.noMaintainer {
		args = append(args, "-o", "no_lru_maintainer")
	}
	if with.noCrawler {
		args = append(args, "-o", "no_modern")
	}
	return args
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return addrPortOf(listener.Addr()).Port()
}

func addrPortOf(addr net.Addr) netip.AddrPort { return netip.MustParseAddrPort(addr.String()) }

// start returns once the server accepts connections, or false if it ended instead.
func (i *realInstance) start(t *testing.T) bool {
	t.Helper()
	var output bytes.Buffer
	i.process = exec.Command(i.argv[0], i.argv[1:]...)
	i.process.Stderr = &output
	i.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func(process *exec.Cmd) {
		defer close(ended)
		_ = process.Wait() // It is killed, so it never ends well.
	}(i.process)
	i.ended = ended
	running := true
	eventually(t, "memcached accepts connections", func() bool {
		select {
		case <-ended:
			running = false
			t.Logf("%s: %s", strings.Join(i.argv, " "), output.Bytes())
			return true
		default:
		}
		nc, err := net.Dial("tcp", i.at.String())
		if err == nil {
			_ = nc.Close()
		}
		return err == nil
	})
	return running
}

func (i *realInstance) end(t *testing.T) {
	t.Helper()
	if err := i.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill memcached: %v", err)
	}
	<-i.ended
}

func (i *realInstance) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := i.process.Process.Signal(signal); err != nil {
		t.Errorf("%v to memcached: %v", signal, err)
	}
}

func (i *realInstance) addr() netip.AddrPort { return i.at }

func (i *realInstance) restart(t *testing.T) {
	t.Helper()
	i.end(t)
	if !i.start(t) {
		t.Fatal("memcached did not start again")
	}
}

func (i *realInstance) hang(t *testing.T) { t.Helper(); i.signal(t, syscall.SIGSTOP) }
func (i *realInstance) thaw(t *testing.T) { t.Helper(); i.signal(t, syscall.SIGCONT) }

// fillConnections restarts the server with a small maximum and takes connections until one is turned away.
func (i *realInstance) fillConnections(t *testing.T) {
	t.Helper()
	i.argv = append(i.argv, "-c", "40")
	i.restart(t)
	var last string
	for range 40 {
		user := connect(t, i.at)
		if last = user.do("mn"); last != "MN" {
			break
		}
	}
	if want := "ERROR Too many open connections"; last != want {
		t.Fatalf("got %q from the last of 40 connections, want %q", last, want)
	}
}
