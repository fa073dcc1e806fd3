package packaging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenceName matches the files that have to go with a copy of a program.
var licenceName = regexp.MustCompile(`(?i)^(li[cs]en[cs]e|copying|copyright|notice|patents|authors)([-._].*)?$`)

// module is one that the programs are linked with.
type module struct {
	Path, Version string
	Texts         []text // its licence and what goes with it, in the order of their names
}

// text is a file of a module.
type text struct {
	Name string // its path from the module's folder
	Body []byte
}

// linked is what `go list` says of one package.
type linked struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// licences returns the modules that the programs are linked with for an architecture, with the texts that go with them, the
// language's own first. A module without a licence is an error.
func (s Source) licences(ctx context.Context, arch string) ([]module, error) {
	environment := s.environment("GOARCH=" + arch)
	golang, err := s.language(ctx, environment)
	if err != nil {
		return nil, err
	}
	out, err := command(ctx, s.Root, environment, "go", "list", "-deps", "-json=Dir,Standard,Module", "./cmd/...")
	if err != nil {
		return nil, err
	}
	found := map[string]*module{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Standard || p.Module.Main {
			continue
		}
		m := found[p.Module.Path]
		if m == nil {
			m = &module{Path: p.Module.Path, Version: p.Module.Version}
			found[m.Path] = m
		}
		if err := m.read(p.Module.Dir, p.Dir); err != nil {
			return nil, err
		}
	}
	return sorted(golang, found)
}

// language is Go itself, whose library and run time are in every program.
func (s Source) language(ctx context.Context, environment []string) (module, error) {
	out, err := command(ctx, s.Root, environment, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return module{}, err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	m := module{Path: "go", Version: version}
	err = m.read(root, root)
	return m, err
}

// read adds the texts in a package's folder and those above it, up to the module's.
func (m *module) read(root, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", m.Path, err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		name, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("licence of %s: %w", m.Path, err)
		}
		seen := slices.ContainsFunc(m.Texts, func(t text) bool { return t.Name == name })
		if seen || !e.Type().IsRegular() || !licenceName.MatchString(e.Name()) || strings.HasSuffix(name, ".go") {
			continue
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("licence of %s: %w", m.Path, err)
		}
		m.Texts = append(m.Texts, text{Name: name, Body: body})
	}
	if folder == root {
		return nil
	}
	return m.read(root, filepath.Dir(folder))
}

// sorted returns the modules by their paths, each with its texts by their names.
func sorted(golang module, found map[string]*module) ([]module, error) {
	all := []module{golang}
	for _, m := range found {
		all = append(all, *m)
	}
	slices.SortFunc(all[1:], func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	for _, m := range all {
		slices.SortFunc(m.Texts, func(a, b text) int { return strings.Compare(a.Name, b.Name) })
		if len(m.Texts) == 0 {
			return nil, fmt.Errorf("licence of %s %s: the module has none", m.Path, m.Version)
		}
	}
	return all, nil
}

// copyright is the file of that name that every package of Debian has.
func copyright(modules []module) string {
	var b strings.Builder
	b.WriteString(`memvip, virtual IPs for memcached hosts

Copyright 2026 the memvip authors

memvip may be used, copied, changed and distributed under the Apache License, version 2.0. On Debian systems its text is
/usr/share/common-licenses/Apache-2.0; it is also in the folder "licenses" beside this file.

Linked into its programs are these, under terms of their own, which are in the folder "licenses" under the names given
here. Their source is to be had by these names and versions wherever Go modules are, such as https://pkg.go.dev/.

`)
	for _, m := range modules {
		fmt.Fprintf(&b, "  %s %s\n", m.Path, m.Version)
	}
	return b.String()
}
