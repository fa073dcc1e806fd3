package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is an operating system thread of its own that lives in one network namespace until closed.
//
// Processes are started on it because the kernel kills them when the thread that started them ends
// (PR_SET_PDEATHSIG means the thread, not the process), so it must outlive them.
type thread struct {
	jobs chan func()
	done chan struct{}
}

// newThread starts a thread and runs enter on it first, which may change its namespace.
func newThread(enter func() error) (*thread, error) {
	t := &thread{jobs: make(chan func()), done: make(chan struct{})}
	entered := make(chan error)
	go t.run(enter, entered)
	if err := <-entered; err != nil {
		return nil, err
	}
	return t, nil
}

func (t *thread) run(enter func() error, entered chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	if unix.Gettid() == os.Getpid() {
		// The main thread never ends, so it would keep the namespace alive for good. Sit on it until
		// another thread has taken the work.
		other := make(chan error)
		go t.run(enter, other)
		entered <- <-other
		runtime.UnlockOSThread()
		return
	}
	defer close(t.done)
	err := enter()
	entered <- err
	if err != nil {
		return
	}
	for job := range t.jobs {
		job()
	}
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func() error) error {
	var err error
	finished := make(chan struct{})
	t.jobs <- func() {
		defer close(finished)
		err = f()
	}
	<-finished
	return err
}

// close ends the thread. Nothing may be running on it.
func (t *thread) close() {
	close(t.jobs)
	<-t.done
}

// inNamespace runs f on a fresh thread in the namespace that fd refers to, and ends that thread.
func inNamespace(fd int, f func() error) error {
	var failed error
	t, err := newThread(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("lab: enter network namespace: %w", err)
		}
		failed = f()
		return nil
	})
	if err != nil {
		return err
	}
	t.close()
	return failed
}
