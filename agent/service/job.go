package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Patience bounds the question what a SIGTERM is for, and one message. The VIPs are held meanwhile; whoever waits for them
// to move waits that much longer, if systemd does not answer.
const Patience = 200 * time.Millisecond

// Manager is what started this process and may end it.
type Manager interface {
	// Job returns the type of the job that is being carried out on this process's unit, "" if there is none.
	Job(ctx context.Context) (string, error)
}

// ManagerOf returns the service manager that this process was started by, as its environment tells; nil if by none.
func ManagerOf(environment func(string) (string, bool)) Manager {
	for _, variable := range [...]string{"INVOCATION_ID", "NOTIFY_SOCKET"} {
		if _, ok := environment(variable); ok {
			return systemd{}
		}
	}
	return nil
}

// restarts reports whether a job ends a service only to start it again. When the service has ended, systemd turns
// the job into one that starts it.
func restarts(job string) bool { return job == "restart" || job == "try-restart" }

// Restarting asks the service manager whether it ends this process only to start it again. Without an answer in
// time it does not.
func Restarting(ctx context.Context, m Manager) (bool, error) {
	if m == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	job, err := m.Job(ctx)
	return err == nil && restarts(job), err
}

// systemd is the Manager of a unit.
type systemd struct{}

// Job does not wait for longer than ctx, whatever the connection does.
func (systemd) Job(ctx context.Context) (string, error) {
	type answer struct {
		job string
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		job, err := unitJob(ctx, uint32(os.Getpid()))
		answers <- answer{job, err}
	}()
	select {
	case a := <-answers:
		return a.job, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("ask systemd: %w", ctx.Err())
	}
}

// unitJob returns the type of the job on the unit that a process belongs to.
func unitJob(ctx context.Context, pid uint32) (string, error) {
	conn, err := connectSystemd(ctx)
	if err != nil {
		return "", fmt.Errorf("ask systemd: %w", err)
	}
	defer conn.Close()
	unit, err := conn.GetUnitNameByPID(ctx, pid)
	if err != nil {
		return "", fmt.Errorf("ask systemd for the unit of pid %d: %w", pid, err)
	}
	jobs, err := conn.ListJobsContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask systemd for its jobs: %w", err)
	}
	i := slices.IndexFunc(jobs, func(j dbus.JobStatus) bool { return j.Unit == unit })
	if i < 0 {
		return "", nil
	}
	return jobs[i].JobType, nil
}

// connectSystemd speaks to systemd itself, which answers only root, or else over the system bus, which not every
// host has.
func connectSystemd(ctx context.Context) (*dbus.Conn, error) {
	direct, errDirect := dbus.NewSystemdConnectionContext(ctx)
	if errDirect == nil {
		return direct, nil
	}
	bus, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, errors.Join(errDirect, err)
	}
	return bus, nil
}
