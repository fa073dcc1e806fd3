package packaging

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Kind is a way of packing.
type Kind string

// The kinds of packages.
const (
	Deb Kind = "deb"
	RPM Kind = "rpm"
)

// Kinds and Archs are what is built unless something else is asked for.
var (
	Kinds = []Kind{Deb, RPM}
	Archs = []string{"amd64", "arm64"}
)

// Build makes packages of the source into a folder, and returns their paths. What lies there already under the same names is
// replaced.
func (s Source) Build(ctx context.Context, folder string, kinds []Kind, archs []string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	var made []string
	for _, arch := range archs {
		paths, err := s.buildFor(ctx, folder, kinds, arch)
		if err != nil {
			return nil, fmt.Errorf("packages: %w", err)
		}
		made = append(made, paths...)
	}
	return made, nil
}

func (s Source) buildFor(ctx context.Context, folder string, kinds []Kind, arch string) ([]string, error) {
	made, err := os.MkdirTemp("", "memvip-packages-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(made)
	if err := (stage{source: s, folder: made}).fill(ctx, arch); err != nil {
		return nil, err
	}
	var paths []string
	for _, kind := range kinds {
		path := filepath.Join(folder, s.fileName(kind, arch))
		if err := s.pack(ctx, kind, arch, made, path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// fileName is the one that is usual for a kind.
func (s Source) fileName(kind Kind, arch string) string {
	if kind == RPM {
		arch = strings.NewReplacer("amd64", "x86_64", "arm64", "aarch64").Replace(arch)
		return fmt.Sprintf("memvip-%s-1.%s.rpm", s.Version, arch)
	}
	return fmt.Sprintf("memvip_%s-1_%s.deb", s.Version, arch)
}

// pack has nfpm put together what nfpm.yaml names.
func (s Source) pack(ctx context.Context, kind Kind, arch, made, path string) error {
	target, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	tool, err := s.nfpm(ctx)
	if err != nil {
		return err
	}
	_, err = command(ctx, s.Root, s.environment("ARCH="+arch, "VERSION="+s.Version, "MADE="+made, "MAINTAINER="+maintainer),
		tool, "package", "--config", "packaging/nfpm.yaml", "--packager", string(kind), "--target", target)
	return err
}

// nfpm returns the path of the pinned tool, which is built if it was not yet. It is for the machine that builds, whatever it
// builds for.
func (s Source) nfpm(ctx context.Context) (string, error) {
	out, err := command(ctx, s.Root, s.environment("GOARCH="+runtime.GOARCH), "go", "tool", "-modfile=packaging/nfpm.mod", "-n", "nfpm")
	return strings.TrimSpace(string(out)), err
}
