//go:build integration

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVar makes the test binary play a program that uses the lab.
const roleVar = "MEMVIP_LAB_TEST_ROLE"

// runRole plays the role, if one is asked for: a busy lab that says "ready", with its namespaces, and
// ends on SIGINT or SIGTERM, orderly or by leaving everything as it is.
func runRole() (code int, ok bool) {
	role := os.Getenv(roleVar)
	if role == "" {
		return 0, false
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer cancel()
	l, err := busyLab()
	if err != nil {
		fmt.Println(err)
		return 1, true
	}
	var inodes []string
	for _, h := range l.Hosts {
		inodes = append(inodes, strconv.FormatUint(h.node.inode, 10))
	}
	fmt.Println("ready", strings.Join(inodes, " "))
	<-ctx.Done()
	if role == "orderly" {
		if err := l.Close(); err != nil {
			fmt.Println(err)
			return 1, true
		}
	}
	return 0, true
}

func busyLab() (*Lab, error) {
	o := Options{InstancePerVIP: true}
	if !rootless {
		o.Keepalived = &tuned // several processes a piece, and scripts
	}
	l, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := l.StartMemcached(); err != nil {
		return nil, err
	}
	if !rootless {
		if err := l.StartManagers(); err != nil {
			return nil, err
		}
		if err := awaitFamilies(l); err != nil {
			return nil, err
		}
	}
	if _, err := l.Hosts[0].Memcached().Freeze(); err != nil {
		return nil, err
	}
	if _, err := l.StartWatcher(WatchOptions{}); err != nil {
		return nil, err
	}
	if _, err := l.StartClient(ClientOptions{}); err != nil {
		return nil, err
	}
	return l, nil
}

// awaitFamilies waits until every keepalived's child is at work: one that has just been forked does not know yet that it is
// to end with its parent, and nobody but the lab would tell it.
func awaitFamilies(l *Lab) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		for _, h := range l.Hosts {
			if !strings.Contains(h.Keepalived().Log(), "Entering BACKUP STATE") {
				return fmt.Errorf("%s: keepalived's child is not at work", h.Name)
			}
		}
		return nil
	})
}

// However the program ends, nothing is left: no process, no namespace, no file. As root, as a user, and as the
// root of a user namespace.
func TestNothingLeft(t *testing.T) {
	type user struct {
		name string
		env  []string
		cred *syscall.Credential
	}
	users := []user{{name: "as we are"}, {name: "rootless", env: []string{RootlessVar + "=1"}}}
	if canChangeUser() {
		users = append(users, user{name: "as nobody", cred: &syscall.Credential{Uid: 65534, Gid: 65534}})
	}
	for _, u := range users {
		for _, end := range []struct {
			name   string
			role   string
			signal syscall.Signal
		}{{"closed", "orderly", unix.SIGINT}, {"exit without close", "rude", unix.SIGTERM}, {"kill -9", "orderly", unix.SIGKILL}} {
			t.Run(u.name+"/"+end.name, func(t *testing.T) {
				token := "MEMVIP_LAB_TEST_TOKEN=" + strings.ReplaceAll(t.Name(), " ", "_") + "-" + itoa(os.Getpid())
				tmp := t.TempDir()
				must(t, os.Chmod(tmp, 0o777))
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), token, roleVar+"="+end.role, "TMPDIR="+tmp)
				cmd.Env = append(cmd.Env, u.env...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.cred}
				cmd.Dir = "/"
				inodes := awaitReady(t, cmd)
				if n := len(processesWith(token)); n < 4 {
					t.Fatalf("%d processes while it runs, want 4 at least", n)
				}
				must(t, cmd.Process.Signal(end.signal))
				err := cmd.Wait()
				if end.signal != unix.SIGKILL && err != nil {
					t.Errorf("ended with %v", err)
				}
				must(t, poll(within(t), func() error { return leftovers(token, inodes) }))
				files, err := os.ReadDir(tmp)
				must(t, err)
				if len(files) != 0 {
					t.Errorf("files left: %v", files)
				}
			})
		}
	}
}

// canChangeUser reports whether we are root outside any user namespace, so that there are other users.
func canChangeUser() bool {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && os.Geteuid() == 0 && len(strings.Fields(string(uidMap))) == 3 && strings.Fields(string(uidMap))[2] != "1"
}

// awaitReady starts the program and returns the inodes of its namespaces when it is at work.
func awaitReady(t *testing.T, cmd *exec.Cmd) map[string]bool {
	t.Helper()
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) == 0 || words[0] != "ready" {
		t.Fatalf("the program says %q, %v, want ready", line, errors.Join(err, cmd.Process.Kill(), cmd.Wait()))
	}
	inodes := map[string]bool{}
	for _, w := range words[1:] {
		inodes[w] = true
	}
	return inodes
}

// leftovers is an error as long as a process of that lab, or one in its namespaces, is there.
func leftovers(token string, inodes map[string]bool) error {
	if pids := processesWith(token); len(pids) > 0 {
		return fmt.Errorf("processes left: %v", pids)
	}
	for _, pid := range processes() {
		inode, err := namespaceOf(pid)
		if err == nil && inodes[strconv.FormatUint(inode, 10)] {
			return fmt.Errorf("pid %d is still in a namespace of the lab", pid)
		}
	}
	return nil
}

func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processesWith lists the processes that have the token in their environment.
func processesWith(token string) []int {
	var some []int
	for _, pid := range processes() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && strings.Contains("\x00"+string(b), "\x00"+token+"\x00") {
			some = append(some, pid)
		}
	}
	return some
}
