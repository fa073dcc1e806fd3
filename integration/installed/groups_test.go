//go:build package

package installed

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// groupName is that of a control group for one life of a machine.
const groupName = "memvip-package-test-%s-%s-%d" // by the process id of the whole test, the machine, and which of its lives it is

// ownGroups makes control groups for one life of the machine, in each hierarchy that systemd may use: systemd takes all processes of
// its group for its own, and ends them.
func (m *machine) ownGroups() error {
	m.boots++
	m.groups = nil
	name := fmt.Sprintf(groupName, os.Getenv(ownerVar), m.Name, m.boots)
	for _, root := range hierarchies() {
		group := filepath.Join(root, name)
		if err := os.Mkdir(group, 0o755); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		m.groups = append(m.groups, group)
	}
	return nil
}

// hierarchies are the control group hierarchies of systemd: the unified one, and in older layouts one by its name beside it.
func hierarchies() []string {
	var roots []string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	return roots
}

// removeGroups removes the control groups of this test and of those that were killed, wherever nobody runs any more.
func removeGroups() {
	for _, root := range hierarchies() {
		groups, _ := filepath.Glob(filepath.Join(root, "memvip-package-test-*")) // the pattern is a good one
		for _, group := range groups {
			if pid := owner(group); pid == os.Getpid() || unix.Kill(pid, 0) != nil {
				removeGroup(group)
			}
		}
	}
}

// owner is the process id of the test that made a group; 0 for what is none.
func owner(group string) (pid int) {
	_, _ = fmt.Sscanf(filepath.Base(group), "memvip-package-test-%d-", &pid) // 0 is this process's group, which there is
	return pid
}

func removeGroup(group string) {
	var nested []string
	_ = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			nested = append(nested, path)
		}
		return nil
	})
	for _, path := range slices.Backward(nested) {
		_ = unix.Rmdir(path) // fails where somebody still runs
	}
}
