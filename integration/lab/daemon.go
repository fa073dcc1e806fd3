package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is a program that a lab runs, one process at a time.
type daemon struct {
	name    string         // "cache1: memcached", for errors
	thread  func() *thread // where it is started; nil for a host without power
	argv    func() []string
	env     []string      // beside the lab's own environment
	born    func(pid int) // told of every start; may be nil
	logPath string        // standard output and error, all lives one after the other
	pidPath string        // a file with the pid of the newest process, for restart commands; "" for none
	dir     string        // working directory
	respawn time.Duration
	family  bool // what it starts belongs to it, and shares its fate

	mu     sync.Mutex
	now    *process // nil before the first start
	wanted bool     // Invariant: false once somebody asked for its end, so that nothing starts it again
	starts int
}

// process is one life of a daemon.
type process struct {
	pid    int
	cmd    *exec.Cmd
	exited chan struct{} // closed after the process was reaped
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// ErrNotRunning is wrapped by what was asked of a process that is not there.
var ErrNotRunning = errors.New("not running")

// Start runs the program. It returns when the process exists, not when it is of use.
func (d *daemon) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now != nil && d.now.running() {
		return fmt.Errorf("lab: %s: start: already running as pid %d", d.name, d.now.pid)
	}
	d.wanted = true
	return d.start()
}

// start does the work of Start; the caller holds mu.
func (d *daemon) start() error {
	thread := d.thread()
	if thread == nil {
		return fmt.Errorf("lab: %s: start: the host has no power", d.name)
	}
	log, err := os.OpenFile(d.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("lab: %s: %w", d.name, err)
	}
	defer log.Close()
	argv := d.argv()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, d.dir
	// A group of its own, so that Ctrl-C reaches the lab alone, which ends the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := thread.do(cmd.Start); err != nil {
		return fmt.Errorf("lab: %s: start: %w", d.name, err)
	}
	p := &process{pid: cmd.Process.Pid, cmd: cmd, exited: make(chan struct{})}
	d.now = p
	d.starts++
	if d.born != nil {
		d.born(p.pid)
	}
	go d.reap(p)
	if d.pidPath == "" {
		return nil
	}
	if err := os.WriteFile(d.pidPath, []byte(strconv.Itoa(p.pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("lab: %s: %w", d.name, err)
	}
	return nil
}

func (d *daemon) reap(p *process) {
	// How it ended is in ProcessState; an error here would only repeat it.
	_ = p.cmd.Wait()
	close(p.exited)
	if d.respawn == 0 {
		return
	}
	time.AfterFunc(d.respawn, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.wanted || d.now != p {
			return
		}
		if err := d.start(); err != nil {
			d.note(err)
		}
	})
}

// note writes a line of the lab's own into the program's log.
func (d *daemon) note(err error) {
	if f, e := os.OpenFile(d.logPath, os.O_APPEND|os.O_WRONLY, 0); e == nil {
		fmt.Fprintln(f, err)
		f.Close()
	}
}

// current is the running process.
func (d *daemon) current() (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now == nil || !d.now.running() {
		return nil, fmt.Errorf("lab: %s: %w", d.name, ErrNotRunning)
	}
	return d.now, nil
}

// PID is the pid of the running process, or 0.
func (d *daemon) PID() int {
	p, err := d.current()
	if err != nil {
		return 0
	}
	return p.pid
}

// Starts counts the processes that were started, by Start and by themselves.
func (d *daemon) Starts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts
}

// Done is closed when the process that is running now has ended; it is closed already if none is.
func (d *daemon) Done() <-chan struct{} {
	if p, err := d.current(); err == nil {
		return p.exited
	}
	none := make(chan struct{})
	close(none)
	return none
}

// ExitCode is how the last process ended, -1 if by a signal or not yet.
func (d *daemon) ExitCode() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now == nil || d.now.running() {
		return -1
	}
	return d.now.cmd.ProcessState.ExitCode()
}

// Kill ends the process with SIGKILL and waits until it is gone. The instant is that of the signal.
// A daemon that respawns comes back by itself.
func (d *daemon) Kill() (Instant, error) {
	kin := d.kin()
	at, p, err := d.signal(unix.SIGKILL, d.respawn > 0, kin...)
	if err != nil {
		return at, err
	}
	<-p.exited
	return at, awaitGone(kin)
}

// Term asks the process to end with SIGTERM, without waiting; Done tells when it has. A family is its elder's to end.
func (d *daemon) Term() (Instant, error) {
	at, _, err := d.signal(unix.SIGTERM, false)
	return at, err
}

// Freeze stops the process with SIGSTOP and waits until all its threads stand still.
func (d *daemon) Freeze() (Instant, error) {
	at, p, err := d.signal(unix.SIGSTOP, true, d.kin()...)
	if err != nil {
		return at, err
	}
	return at, d.awaitState(p, unix.SIGSTOP, "T")
}

// Thaw lets a frozen process go on.
func (d *daemon) Thaw() (Instant, error) {
	at, p, err := d.signal(unix.SIGCONT, true, d.kin()...)
	if err != nil {
		return at, err
	}
	return at, d.awaitState(p, unix.SIGCONT, "RSD")
}

// kin are the processes that share the fate of the running one. Finding them takes a while, so it comes before the fault.
func (d *daemon) kin() []int {
	if pid := d.PID(); d.family && pid != 0 {
		return kin(pid)
	}
	return nil
}

func (d *daemon) signal(s syscall.Signal, wanted bool, kin ...int) (Instant, *process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = wanted
	if d.now == nil || !d.now.running() {
		return Now(), nil, fmt.Errorf("lab: %s: %s: %w", d.name, s, ErrNotRunning)
	}
	at := Now()
	if err := signalFamily(d.now.pid, kin, s); err != nil {
		return at, nil, fmt.Errorf("lab: %s: %s: %w", d.name, s, err)
	}
	return at, d.now, nil
}

// stop ends the process if there is one, for good.
func (d *daemon) stop() {
	kin := d.kin()
	_, p, err := d.signal(unix.SIGKILL, false, kin...)
	if err == nil {
		<-p.exited
		// Whoever is left of a family is swept with the host's namespace.
		_ = awaitGone(kin)
	}
}

// awaitState polls until every thread of the process, and of its family, is in one of the states of /proc/PID/stat.
func (d *daemon) awaitState(p *process, s syscall.Signal, states string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := poll(ctx, func() error {
		got, err := threadStates(p.pid)
		if err != nil {
			return fmt.Errorf("lab: %s: %w", d.name, err)
		}
		if strings.Trim(got, states) != "" {
			return fmt.Errorf("lab: %s: threads are in states %q, want %q", d.name, got, states)
		}
		return nil
	})
	if err != nil || !d.family {
		return err
	}
	return d.awaitFamily(p, s, states)
}

// threadStates is one letter for each thread of a process.
func threadStates(pid int) (string, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no threads of pid %d", pid)
	}
	var states []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		// The state follows the name, which stands in parentheses and may hold anything.
		if end := strings.LastIndexByte(string(b), ')'); end >= 0 && end+2 < len(b) {
			states = append(states, b[end+2])
		}
	}
	return string(states), nil
}

// Log is everything that the program has written so far.
func (d *daemon) Log() string {
	b, err := os.ReadFile(d.logPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(b)
}

// LogPath is the file that Log reads.
func (d *daemon) LogPath() string { return d.logPath }

// poll calls check until it returns nil, every 2 ms, and returns its last error when ctx ends.
func poll(ctx context.Context, check func() error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotInTime, err)
		case <-tick.C:
		}
	}
}
