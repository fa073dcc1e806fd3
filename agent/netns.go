package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"memvip/health"
)

// netnsDir is where iproute2 keeps the named network namespaces.
const netnsDir = "/run/netns"

// connectorVariable tells the program that EnterNetns starts that it is in the namespace, and which file
// descriptor is the process connector's: a number, or connectorNone.
const (
	connectorVariable = "MEMVIP_CONNECTOR_FD"
	connectorNone     = "none"
)

// EnterNetns starts this program anew in a named network namespace, with the same arguments; it returns
// only if that fails, and when it is called in the program so started, with the connector that was
// handed down, or nil if there is none. The kernel gives process events only to sockets opened outside
// of namespaces, so the connector is opened before.
func EnterNetns(name string) (*health.Connector, error) {
	if handed, entered := os.LookupEnv(connectorVariable); entered {
		_ = os.Unsetenv(connectorVariable) // not for the commands that this process runs
		return inheritedConnector(handed)
	}
	if name == "" || strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return nil, &UsageError{fmt.Errorf("network namespace %q: want a name, as ip netns lists them", name)}
	}
	namespace, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		return nil, &UsageError{fmt.Errorf("network namespace: %w", err)}
	}
	defer namespace.Close()
	handed, err := connectorToHandDown()
	if err != nil {
		return nil, err
	}
	// exec goes on with the calling thread, and so with its namespace.
	runtime.LockOSThread()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("network namespace %s: enter: %w", name, err)
	}
	err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), connectorVariable+"="+handed))
	return nil, fmt.Errorf("network namespace %s: start anew: %w", name, err)
}

// connectorToHandDown opens the process connector where that is allowed, and keeps it open over exec.
func connectorToHandDown() (string, error) {
	connector, err := health.OpenConnector()
	if err != nil {
		return connectorNone, nil // the agent tries again, and says so
	}
	file, err := connector.File()
	if err != nil {
		return "", err
	}
	defer file.Close()
	return leaveOpen(file)
}

// leaveOpen makes a copy of the connector's socket that exec leaves open, and returns its name in the environment.
func leaveOpen(connector *os.File) (string, error) {
	fd, err := unix.FcntlInt(connector.Fd(), unix.F_DUPFD, 0)
	if err != nil {
		return "", fmt.Errorf("hand down the process connector: %w", err)
	}
	return strconv.Itoa(fd), nil
}

// closeLeftOpen closes what leaveOpen made.
func closeLeftOpen(handed string) {
	if fd, err := strconv.Atoi(handed); err == nil {
		_ = unix.Close(fd)
	}
}

func inheritedConnector(handed string) (*health.Connector, error) {
	if handed == connectorNone {
		return nil, nil
	}
	fd, err := strconv.ParseUint(handed, 10, 31)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("%s=%q: want a file descriptor", connectorVariable, handed)}
	}
	return health.ConnectorFromFile(os.NewFile(uintptr(fd), "process connector"))
}
