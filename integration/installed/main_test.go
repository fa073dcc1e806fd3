//go:build package

package installed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"memvip/integration/lab"
)

// packagesVar holds the packages' paths after the lab has started this program anew.
const packagesVar = "MEMVIP_PACKAGE_TEST_DEBS"

var (
	folder   string   // where what is made once lies
	packages []string // the paths of the .deb and of its successor
)

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "package test:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// prepare makes what hosts are made from, and enters the lab: that comes last, since it hides /run, which what needs the
// outside world may need.
func prepare() error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := equipped(); err != nil {
		return err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	folder = filepath.Join(root, "bin", "package-test")
	if made := os.Getenv(packagesVar); made != "" {
		packages = filepath.SplitList(made)
		return lab.Enter()
	}
	if err := makeBase(ctx, folder); err != nil {
		return err
	}
	if packages, err = buildPackages(ctx, root, filepath.Join(folder, "packages")); err != nil {
		return err
	}
	if err := os.Setenv(packagesVar, strings.Join(packages, string(filepath.ListSeparator))); err != nil {
		return err
	}
	return lab.Enter()
}

// equipped says what this machine lacks.
func equipped() error {
	if os.Geteuid() != 0 {
		return errors.New("containers that systemd runs need root, and this is not root: sudo make package-test")
	}
	// Not every root looks there.
	err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, need := range [...]struct{ program, pkg string }{
		{"debootstrap", "debootstrap"}, {"systemd-nspawn", "systemd-container"}, {"nsenter", "util-linux"},
	} {
		if _, missing := exec.LookPath(need.program); missing != nil {
			err = errors.Join(err, fmt.Errorf("%s is missing; to install it: apt-get install -y %s", need.program, need.pkg))
		}
	}
	return err
}
