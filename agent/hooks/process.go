package hooks

import (
	"errors"
	"fmt"
	"os"
	"os/exec" // the hooks are commands
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"memvip/flush/command"
)

// outputWait is how long output is waited for once a hook has ended and its group is dead: what it put into a group of
// its own may keep the pipe open for ever.
const outputWait = 50 * time.Millisecond

// Runnable tells whether a hook's program is there and may be run by this process, without running it.
func Runnable(argv []string) error { return command.Runnable(argv) }

// process is a hook that runs. It leads a session, and so a process group, of its own.
type process struct {
	pid    int
	output *os.File // what it writes, as long as somebody has the other end
	exited chan struct{}

	reading sync.WaitGroup
	tail    command.Tail // whoever reads has it
}

// start runs a command.
func start(argv, environment []string) (*process, error) {
	output, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment, input, input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.StartOrdinary(cmd); err != nil {
		return nil, errors.Join(err, output.Close())
	}
	pid := cmd.Process.Pid
	if err := cmd.Process.Release(); err != nil { // it is waited for by its number, as one that an earlier program started
		return nil, errors.Join(err, output.Close())
	}
	return watch(pid, output, nil), nil
}

// watch follows a child of this process that leads a group of its own, and that has said something already.
func watch(pid int, output *os.File, said []byte) *process {
	p := &process{pid: pid, output: output, exited: make(chan struct{})}
	_, _ = p.tail.Write(said)
	p.reading.Go(p.read)
	go p.await()
	return p
}

// await waits for the end without burying the dead: until that is done nobody else can have its number.
func (p *process) await() {
	defer close(p.exited)
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (p *process) read() {
	var chunk [command.TailBytesMax]byte
	for {
		n, err := p.output.Read(chunk[:])
		_, _ = p.tail.Write(chunk[:n])
		if err != nil {
			return
		}
	}
}

// pause leaves what it writes from now on in the pipe.
func (p *process) pause() {
	_ = p.output.SetReadDeadline(time.Now()) // a pipe has deadlines
	p.reading.Wait()
}

// resume reads on after a pause.
func (p *process) resume() {
	_ = p.output.SetReadDeadline(time.Time{})
	p.reading.Go(p.read)
}

// kill ends the process and everything in its group.
func (p *process) kill() { _ = unix.Kill(-p.pid, unix.SIGKILL) } // gone already is as good

// bury takes the exit status of a process that has ended, after what it left in its group has been killed.
func (p *process) bury() (unix.WaitStatus, error) {
	p.kill()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(p.pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return status, err
		}
	}
}

// close waits for the rest of the output, and returns the end of it.
func (p *process) close() string {
	_ = p.output.SetReadDeadline(time.Now().Add(outputWait))
	p.reading.Wait()
	_ = p.output.Close()
	return p.tail.Text()
}

// copyForSuccessor makes a copy of the output's descriptor that stays open over exec.
func (p *process) copyForSuccessor() (int, error) {
	raw, err := p.output.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var dupErr error
	if err := raw.Control(func(from uintptr) { fd, dupErr = unix.FcntlInt(from, unix.F_DUPFD, 0) }); err != nil {
		return 0, err
	}
	return fd, dupErr
}

// ending puts an exit status into words; "" for success.
func ending(status unix.WaitStatus) (code int, words string) {
	switch {
	case status.Signaled():
		return 128 + int(status.Signal()), fmt.Sprintf("killed by signal %d", int(status.Signal()))
	case status.ExitStatus() != 0:
		return status.ExitStatus(), fmt.Sprintf("exit code %d", status.ExitStatus())
	}
	return 0, ""
}
