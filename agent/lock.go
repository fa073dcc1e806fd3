package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const lockName = "lock"

// RunningError says that another agent has the runtime directory.
type RunningError struct {
	Dir string
	PID int // as that agent wrote it; 0 if unknown
}

func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: another agent is running there", e.Dir)
	}
	return fmt.Sprintf("lock %s: another agent is running there, pid %d", e.Dir, e.PID)
}

// lockDir makes the runtime directory if need be and takes it for this process: two agents with one
// name would both claim (F6). The lock goes with the process, however it ends; unlock ends it sooner.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &RunningError{Dir: dir, PID: readPID(file)}
	case err != nil:
		err = fmt.Errorf("lock %s: %w", file.Name(), err)
	default:
		// The lock stands whether or not its owner can be told.
		_ = file.Truncate(0)
		_, _ = file.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
		return func() { _ = file.Close() }, nil
	}
	_ = file.Close() // The first error tells more.
	return nil, err
}

func readPID(file *os.File) int {
	text := make([]byte, 20)
	n, _ := file.ReadAt(text, 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text[:n])))
	if err != nil {
		return 0
	}
	return pid
}
