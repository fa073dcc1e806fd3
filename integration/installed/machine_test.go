//go:build package

package installed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"memvip/integration/lab"
)

// disks is where the hosts' disks are: on the tmpfs that the lab has put over /run, which goes with the process.
const disks = "/run/memvip-package-test"

// machine is a host of the lab with a Debian on its disk, run by systemd.
type machine struct {
	*lab.Host
	number int // from 1
	boots  int
	groups []string // of this life

	boot  *exec.Cmd     // systemd-nspawn, while the machine is on
	ended chan struct{} // closed when that has ended
	init  int           // process id of the machine's init, seen from outside
}

func (m *machine) disk(part string) string { return filepath.Join(disks, m.Name, part) }

// assemble gives the machine a disk: a copy of the base tree, which is read through and not written.
func (m *machine) assemble(base string) error {
	for _, part := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(m.disk(part), 0o755); err != nil {
			return err
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", base, m.disk("upper"), m.disk("work"))
	if err := unix.Mount("overlay", m.disk("root"), "overlay", 0, layers); err != nil {
		return fmt.Errorf("%s: mount the disk: %w", m.Name, err)
	}
	for name, text := range map[string]string{
		"etc/hostname":   m.Name + "\n",
		"etc/hosts":      "127.0.0.1 localhost " + m.Name + "\n",
		"etc/machine-id": fmt.Sprintf("%032x\n", 0x77000000+m.number),
	} {
		if err := os.WriteFile(filepath.Join(m.disk("root"), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// start boots the machine and waits until systemd has started everything.
func (m *machine) start(ctx context.Context) error {
	if err := m.ownGroups(); err != nil {
		return err
	}
	log, err := os.OpenFile(m.disk("console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	const join = `while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"`
	args := append([]string{"-c", join, "sh"}, m.groups...)
	args = append(args, "--", "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--link-journal=no",
		"--directory="+m.disk("root"), "--network-namespace-path=/run/netns/"+m.Netns(),
		"--capability=CAP_NET_ADMIN,CAP_IPC_LOCK", // or mlock and its like are no system calls there
		"--resolv-conf=off", "--timezone=off")
	m.boot, m.ended = exec.Command("/bin/sh", args...), make(chan struct{})
	// A network namespace of its own it has, but one that it did not make; so it has to be told that settings of it may be changed.
	m.boot.Env = append(os.Environ(), "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network")
	m.boot.Stdout, m.boot.Stderr = log, log
	started := make(chan error)
	go m.run(started)
	if err := <-started; err != nil {
		return fmt.Errorf("%s: systemd-nspawn: %w", m.Name, err)
	}
	if err := m.findInit(ctx); err != nil {
		return err
	}
	if err := m.countProcesses(ctx); err != nil {
		return err
	}
	return m.awaitBooted(ctx)
}

// run starts systemd-nspawn on a thread that lives as long as it, since the death signal follows the thread.
func (m *machine) run(started chan<- error) {
	m.boot.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	onOwnThread(func() {
		defer close(m.ended)
		err := m.boot.Start()
		started <- err
		if err == nil {
			_ = m.boot.Wait() // how it ended does not matter: it was asked to, or the test fails for want of the machine
		}
	})
}

// findInit waits for the first process of the machine.
func (m *machine) findInit(ctx context.Context) error {
	parent := strconv.Itoa(m.boot.Process.Pid)
	err := poll(ctx, 5*time.Millisecond, func() error {
		select {
		case <-m.ended:
			return final(fmt.Errorf("systemd-nspawn ended:\n%s", m.console()))
		default:
		}
		for _, pid := range processes() {
			status := statusOf(pid)
			inside := strings.Fields(status["NSpid"])
			if status["PPid"] == parent && len(inside) == 2 && inside[1] == "1" {
				m.init = pid
				return nil
			}
		}
		return errors.New("no init yet")
	})
	if err != nil {
		return fmt.Errorf("%s: start: %w", m.Name, err)
	}
	return nil
}

// awaitBooted waits until systemd says that it has started everything.
func (m *machine) awaitBooted(ctx context.Context) error {
	return poll(ctx, 100*time.Millisecond, func() error {
		select {
		case <-m.ended:
			return final(fmt.Errorf("%s: it went off:\n%s", m.Name, m.console()))
		default:
		}
		out, _ := m.shell(ctx, "systemctl is-system-running") // its exit code tells less than its word
		switch state := strings.TrimSpace(out); state {
		case "running", "degraded":
			return nil
		default:
			return fmt.Errorf("%s: the system is %s\n%s", m.Name, state, tail(m.console(), 20))
		}
	})
}

// console is what the machine has printed.
func (m *machine) console() string {
	text, _ := os.ReadFile(m.disk("console.log")) // without it there is nothing to tell
	return string(text)
}

// shell runs a command on the machine, as its root, and returns what it printed. The error has that too.
func (m *machine) shell(ctx context.Context, command string) (string, error) {
	return m.shellWith(ctx, nil, command)
}

func (m *machine) shellWith(ctx context.Context, stdin []byte, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
		"--root", "--wd", "/bin/bash", "-c", "umask 022\n"+command)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER="}
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w\n%s", m.Name, command, err, out)
	}
	return string(out), nil
}

// awaitOff waits until nothing of the machine runs any more.
func (m *machine) awaitOff(ctx context.Context) error {
	if m.boot == nil {
		return nil
	}
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s: did not go off: %w", m.Name, ctx.Err()), m.boot.Process.Kill())
	}
}
