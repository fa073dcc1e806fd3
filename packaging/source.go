package packaging

import (
	"context"
	"fmt"
	"os"
	"os/exec" // to build, and to ask git
	"strconv"
	"strings"
	"time"
)

// Source is what packages are made from.
type Source struct {
	Root    string    // the folder of the repository
	Version string    // of the packages; the programs say it too
	Time    time.Time // the only one that gets into a package
}

// ReadSource asks git for the version and the time of the newest commit of a repository.
func ReadSource(ctx context.Context, root string) (Source, error) {
	git := func(args ...string) (string, error) {
		out, err := command(ctx, root, nil, "git", args...)
		return strings.TrimSpace(string(out)), err
	}
	describe, err := git("describe", "--tags", "--always", "--dirty")
	if err != nil {
		return Source{}, err
	}
	count, err := git("rev-list", "--count", "HEAD")
	if err != nil {
		return Source{}, err
	}
	stamp, err := git("log", "-1", "--format=%ct")
	if err != nil {
		return Source{}, err
	}
	commits, err := strconv.Atoi(count)
	if err != nil {
		return Source{}, fmt.Errorf("number of commits: %w", err)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Source{}, fmt.Errorf("time of the newest commit: %w", err)
	}
	version, err := Version(describe, commits)
	if err != nil {
		return Source{}, err
	}
	return Source{Root: root, Version: version, Time: time.Unix(seconds, 0).UTC()}, nil
}

// environment is that of every program that has a part in a package: nothing of the builder's own settings.
func (s Source) environment(more ...string) []string {
	return append(append(os.Environ(),
		"GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=",
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(s.Time.Unix(), 10), "TZ=UTC", "LC_ALL=C",
	), more...)
}

// command runs a program in a folder and returns what it printed. The error has what it complained of.
func command(ctx context.Context, folder string, environment []string, name string, args ...string) ([]byte, error) {
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = folder, environment, &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return out, nil
}
