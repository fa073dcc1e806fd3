package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable that names the file descriptor with the estate of the program that this process
// was before, where it left one. It is not for commands.
const Variable = prefix + "HOOKS_FD"

// A process that becomes another program keeps its children. So hooks that run go on, and the next program waits for
// them as this one would have: nobody waits for a hook while leases run.

// estate is what a program leaves to the next one.
type estate struct {
	Waiting []Event  `json:"waiting"` // in the order of each VIP
	Running []legacy `json:"running"`
}

// legacy is a hook that runs.
type legacy struct {
	Event  Event         `json:"event"`
	PID    int           `json:"pid"`
	Output int           `json:"output"` // file descriptor
	Left   time.Duration `json:"left_ns"`
	Took   time.Duration `json:"took_ns"` // so far
	Said   []byte        `json:"said"`    // so far
}

// Leave begins nothing more, and leaves all that runs or waits to the program that this process is about to become. It
// returns what that program is to have in its environment, "" for nothing. The process has to become it, or to call
// Stay.
func (r *Runner) Leave() (variable string, err error) {
	r.burial.Lock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
	left, err := r.estate()
	if err != nil {
		return "", fmt.Errorf("hooks: leave what runs: %w", err)
	}
	if len(left.Waiting)+len(left.Running) == 0 {
		return "", nil
	}
	fd, err := toMemory(left)
	if err != nil {
		return "", fmt.Errorf("hooks: leave what runs: %w", err)
	}
	r.left = append(r.left, fd)
	return Variable + "=" + strconv.Itoa(fd), nil
}

// Stay takes back what Leave has left, since the process has not become another program. Configure goes on with it.
func (r *Runner) Stay() {
	r.mu.Lock()
	for _, fd := range r.left {
		_ = unix.Close(fd)
	}
	r.left = nil
	for x := range r.running {
		if x.process != nil {
			x.process.resume()
		}
	}
	r.mu.Unlock()
	r.burial.Unlock()
}

// estate lists what runs and waits. An event whose command is just being started counts as waiting: then it is run once
// more. mu is held.
func (r *Runner) estate() (left estate, err error) {
	for x := range r.running {
		if x.process == nil {
			left.Waiting = append(left.Waiting, x.event)
			continue
		}
		fd, err := x.process.copyForSuccessor()
		if err != nil {
			return left, err
		}
		r.left = append(r.left, fd)
		x.process.pause()
		left.Running = append(left.Running, legacy{
			Event: x.event, PID: x.process.pid, Output: fd, Left: time.Until(x.deadline), Took: time.Since(x.begun), Said: x.process.tail.Bytes(),
		})
	}
	for _, l := range r.lanes {
		left.Waiting = append(left.Waiting, l.waiting...)
	}
	return left, nil
}

// toMemory puts an estate into a file in memory that exec leaves open.
func toMemory(left estate) (fd int, err error) {
	text, err := json.Marshal(left)
	if err != nil {
		return 0, err
	}
	if fd, err = unix.MemfdCreate("hooks", 0); err != nil {
		return 0, err
	}
	n, err := unix.Pwrite(fd, text, 0)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// Inherit goes on with what an earlier program of this process left, by the value of Variable. Nothing is begun before
// Configure.
func (r *Runner) Inherit(value string) error {
	left, err := fromMemory(value)
	if err != nil {
		return fmt.Errorf("hooks: take over %s=%q: %w", Variable, value, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, old := range left.Running {
		unix.CloseOnExec(old.Output)
		p := watch(old.PID, os.NewFile(uintptr(old.Output), "hook's output"), old.Said)
		now := time.Now()
		x := &run{event: old.Event, lane: r.lane(old.Event.VIP), begun: now.Add(-old.Took), deadline: now.Add(old.Left), process: p}
		r.begin(x, func() { r.supervise(x) })
	}
	for _, e := range left.Waiting {
		if dropped, full := r.enqueue(e); full {
			r.mu.Unlock()
			r.report.Dropped(dropped)
			r.mu.Lock()
		}
	}
	return nil
}

func fromMemory(value string) (left estate, err error) {
	fd, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return left, err
	}
	f := os.NewFile(uintptr(fd), "hooks")
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		return left, err
	}
	return left, json.Unmarshal(text, &left)
}
