//go:build package

package installed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"memvip/packaging"
)

// What hosts are made from. Without libpam-systemd, polkitd would be left unconfigured.
const (
	suite    = "bookworm"
	included = "systemd,systemd-sysv,dbus,polkitd,libpam-systemd,memcached,iproute2,nftables,procps"
)

// mirrorVar names another archive than Debian's own.
const (
	mirrorVar = "MEMVIP_DEBIAN_MIRROR"
	mirror    = "http://deb.debian.org/debian"
)

// basePath is the tree that all hosts' disks are copies of. Another choice of packages makes another.
func basePath(folder string) string { return filepath.Join(folder, "base") }

// makeBase has debootstrap make the base tree, unless it is there. That takes two minutes and 400 MB.
func makeBase(ctx context.Context, folder string) error {
	base, stamp := basePath(folder), filepath.Join(folder, "base.of")
	want := suite + " " + included + "\n"
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := errors.Join(removed(stamp), os.RemoveAll(base)); err != nil {
		return err
	}
	from := os.Getenv(mirrorVar)
	if from == "" {
		from = mirror
	}
	fmt.Printf("making a Debian %s from %s, once\n", suite, from)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+included, suite, base, from)
	cmd.Stdout, cmd.Stderr = &said, &said
	// What it mounts goes with it, however it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the death signal follows the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("debootstrap: %w; %s names another archive\n%s", err, mirrorVar, tail(said.String(), 20))
	}
	// Each host's own name and journal.
	if err := errors.Join(removed(filepath.Join(base, "etc/hostname")), os.MkdirAll(filepath.Join(base, "var/log/journal"), 0o755)); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// removed removes a file that may be missing.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// buildPackages builds the package of this commit, and one that comes after it.
func buildPackages(ctx context.Context, root, folder string) ([]string, error) {
	fmt.Println("building two packages")
	source, err := packaging.ReadSource(ctx, root)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, version := range []string{source.Version, source.Version + ".next"} {
		source.Version = version
		made, err := source.Build(ctx, folder, []packaging.Kind{packaging.Deb}, []string{runtime.GOARCH})
		if err != nil {
			return nil, err
		}
		paths = append(paths, made...)
	}
	return paths, nil
}
