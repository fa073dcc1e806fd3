package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BinVar is the environment variable that names the folder of memvip-agent and agentctl. A program that is not
// told takes BinDefault; tests build their own.
const (
	BinVar     = "MEMVIP_BIN"
	BinDefault = "bin"
)

// Programs are the paths of memvip-agent and agentctl in a folder. They are absolute, since a lab runs them in
// folders of its own.
func Programs(dir string) (agent, agentctl string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", fmt.Errorf("lab: %w", err)
	}
	agent, agentctl = filepath.Join(dir, "memvip-agent"), filepath.Join(dir, "agentctl")
	for _, path := range []string{agent, agentctl} {
		if _, err := os.Stat(path); err != nil {
			return "", "", fmt.Errorf("lab: %w (to build it: make build; %s names the folder)", err, BinVar)
		}
	}
	return agent, agentctl, nil
}

// WithPrograms calls a TestMain's run with the folder of both programs: the one that BinVar names, or else one
// that they are built into, which is gone afterwards.
func WithPrograms(run func(dir string) (code int)) (code int, err error) {
	if dir := os.Getenv(BinVar); dir != "" {
		return run(dir), nil
	}
	dir, err := os.MkdirTemp("", "memvip-bin-")
	if err != nil {
		return 1, fmt.Errorf("lab: %w", err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"memvip-agent", "agentctl"} {
		if _, err := Build(dir, "memvip/cmd/"+name); err != nil {
			return 1, err
		}
	}
	return run(dir), nil
}

// Build compiles a program of this module into a folder, with more flags of `go build`, and returns its path.
func Build(dir, pkg string, flags ...string) (path string, err error) {
	path = filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-trimpath", "-o", path}, flags...)
	build := exec.Command("go", append(args, pkg)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("lab: build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}
