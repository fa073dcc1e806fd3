package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// standsVariable has the test binary run the command of its value on one core, and say what it is told meanwhile.
const standsVariable = "MEMVIP_TEST_STANDS"

// TestMain: the test binary is the first stage of its commands.
func TestMain(m *testing.M) {
	Become()
	if path := os.Getenv(standsVariable); path != "" {
		os.Exit(echoBeside(path, os.Args[1]))
	}
	os.Exit(m.Run())
}

// newScript writes a file that may be run.
func newScript(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// stat returns a process's /proc/PID/stat, from its state on.
func stat(text string) []string {
	_, behind, _ := strings.Cut(text, ") ")
	return strings.Fields(behind)
}

// policyField of stat is the scheduling class.
const policyField = 38

// A command cannot tell by which way it was started.
func TestAStageBecomesTheCommand(t *testing.T) {
	t.Setenv("KEPT", "yes")
	const script = `echo "$$|$KEPT|$MORE|$1"; read -r line < /proc/$$/stat; echo "$line"; tr '\0' ' ' < /proc/$$/cmdline; echo; ulimit -Sn; ` +
		`grep -e ^Sig[BIC] -e ^Shd /proc/$$/status; ls /proc/self/fd; exit 3`
	var same [][]string // what is to be the same
	for name, start := range map[string]func(*exec.Cmd) error{byStage: StartOrdinary, directly: startDirectly} {
		var output bytes.Buffer
		cmd := exec.Command("/bin/sh", "-c", script, "sh", "two  words")
		cmd.Args[0] = "a-name"
		cmd.Env = append(os.Environ(), "MORE=1", "MORE=2")
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		onBatchThread(t, func() error { return start(cmd) })
		if cmd.Path != "/bin/sh" || cmd.Args[0] != "a-name" || len(cmd.Args) != 5 {
			t.Errorf("%s: the command reads %s %q afterwards", name, cmd.Path, cmd.Args)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%s: ended with %v, want exit code 3", name, err)
		}
		lines := strings.Split(output.String(), "\n")
		if want := fmt.Sprintf("%d|yes|2|two  words", cmd.Process.Pid); len(lines) < 5 || lines[0] != want {
			t.Fatalf("%s: said %q, want first %q", name, lines, want)
		}
		fields := stat(lines[1])
		if got := fields[policyField]; got != fmt.Sprint(unix.SCHED_NORMAL) {
			t.Errorf("%s: runs in class %s", name, got)
		}
		if leads := fmt.Sprint(cmd.Process.Pid); fields[2] != leads || fields[3] != leads {
			t.Errorf("%s: process group and session are %s, want its own", name, fields[2:4])
		}
		if !strings.HasPrefix(lines[2], "a-name -c ") {
			t.Errorf("%s: is called %.20q", name, lines[2])
		}
		same = append(same, lines[3:])
	}
	if !slices.Equal(same[0], same[1]) {
		t.Errorf("limit, signals and descriptors differ: %q and %q", same[0], same[1])
	}
}

// onBatchThread runs f on a thread of a class that everybody may choose.
func onBatchThread(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with this goroutine
		err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Its parent takes a stage out of the class at once, and what the stage starts as would do so by itself.
func TestBothTakeACommandOutOfTheClass(t *testing.T) {
	policy := func(pid int) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		return stat(string(text))[policyField]
	}
	var output bytes.Buffer
	alone := exec.Command(thisProgram)
	alone.Args = []string{stageName, "/bin/cat", "cat", "/proc/self/stat"}
	alone.Stdout = &output
	sleeps := exec.Command("/bin/sleep", "600")
	onBatchThread(t, func() error {
		if err := alone.Run(); err != nil {
			return err
		}
		if err := sleeps.Start(); err != nil {
			return err
		}
		if got := policy(sleeps.Process.Pid); got != fmt.Sprint(unix.SCHED_BATCH) {
			t.Errorf("a child is in class %s at first: nothing is shown", got)
		}
		return makeOrdinary(sleeps.Process.Pid)
	})
	if got := stat(output.String())[policyField]; got != fmt.Sprint(unix.SCHED_NORMAL) {
		t.Errorf("a stage that nobody took out of its class runs its command in class %s", got)
	}
	if got := policy(sleeps.Process.Pid); got != fmt.Sprint(unix.SCHED_NORMAL) {
		t.Errorf("in class %s", got)
	}
	_ = sleeps.Process.Kill()
	_ = sleeps.Wait()
}

func TestWhatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for path, want := range map[string]error{
		"/nonexistent/command": fs.ErrNotExist, "nothing": exec.ErrNotFound, plain: fs.ErrPermission,
	} {
		if err := StartOrdinary(exec.Command(path)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestWhatTurnsOutToBeNoProgramSaysSo(t *testing.T) {
	for _, c := range []struct {
		name, text string
		code       int
		want       string
	}{
		{"cut off", "\x7fELF\x02\x01", exitNotRun, "exec format error"},
		{"empty", "", exitNotRun, "exec format error"},
		{"no interpreter", "#!/nonexistent/shell\n", exitNotRun, "no such file or directory"},
		{"a folder for an interpreter", "#!/\n", exitForbidden, "permission denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newScript(t, c.text)
			cmd := exec.Command(path)
			var output Tail
			cmd.Stderr = &output
			if err := StartOrdinary(cmd); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if want := stageName + ": exec " + path + ": " + c.want; cmd.ProcessState.ExitCode() != c.code || output.Text() != want {
				t.Errorf("%v: %q; want exit code %d and %q", err, output.Text(), c.code, want)
			}
		})
	}
}

func TestACommandIsKilledWithItsGroup(t *testing.T) {
	ctx, kill := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "echo on; sleep 600; true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := StartOrdinary(cmd); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(output)
	if line, err := said.ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	kill()
	if rest, err := io.ReadAll(said); err != nil || len(rest) > 0 { // ends when the shell's child is gone, too
		t.Errorf("%q, %v", rest, err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v", err)
	}
}

// How echoBeside starts its command.
const (
	byStage  = "by the stage"
	directly = "directly"
)

// echoBeside starts a command while it says what it is told, with one core for both.
func echoBeside(path, way string) int {
	if err := os.Unsetenv(standsVariable); err != nil {
		return 1
	}
	runtime.GOMAXPROCS(1)
	staged = way == byStage
	cmd := exec.Command(path)
	cmd.Stdout = os.Stdout
	ended := make(chan error)
	go func() { ended <- errors.Join(StartOrdinary(cmd), cmd.Wait()) }()
	_, copied := io.Copy(os.Stdout, os.Stdin)
	if errors.Join(<-ended, copied) != nil {
		return 1
	}
	return 0
}

// A program is not read before who has a lease on it has let go of that, as one on a disk that stalls is not.
func TestOthersGoOnWhileAProgramIsNotRead(t *testing.T) {
	path := newScript(t, "#!/bin/sh\necho ran\n")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	wanted := make(chan os.Signal, 9)
	signal.Notify(wanted, unix.SIGIO)
	defer signal.Stop(wanted)
	for _, way := range []string{byStage, directly} {
		t.Run(way, func(t *testing.T) {
			if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
				t.Fatal("take a lease: ", err)
			}
			subject := exec.Command(thisProgram, way)
			subject.Env = append(os.Environ(), standsVariable+"="+path)
			subject.Stderr = os.Stderr
			in, errIn := subject.StdinPipe()
			out, errOut := subject.StdoutPipe()
			if err := errors.Join(errIn, errOut, subject.Start()); err != nil {
				t.Fatal(err)
			}
			lines := make(chan string, 9)
			go func() {
				for s := bufio.NewScanner(out); s.Scan(); {
					lines <- s.Text()
				}
				close(lines)
			}()
			select {
			case <-wanted: // the exec stands
			case <-time.After(10 * time.Second):
				t.Error("nobody wants the program")
			}
			_, err := io.WriteString(in, "echo\n")
			patience := 10 * time.Second
			if way == directly {
				patience = 200 * time.Millisecond
			}
			var said []string
			select {
			case line := <-lines:
				said = append(said, line)
			case <-time.After(patience):
			}
			if want := way == byStage; slices.Equal(said, []string{"echo"}) != want {
				t.Errorf("says %q while the program is not read; want it to be heard: %t", said, want)
			}
			_, released := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			if err := errors.Join(err, released, in.Close()); err != nil {
				t.Error(err)
			}
			for line := range lines {
				said = append(said, line)
			}
			slices.Sort(said)
			if err := subject.Wait(); err != nil || !slices.Equal(said, []string{"echo", "ran"}) {
				t.Errorf("said %q in all, ended with %v", said, err)
			}
		})
	}
}
