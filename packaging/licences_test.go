package packaging

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// here is this repository, as if it were tagged.
func here(t *testing.T) Source {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return Source{Root: root, Version: "1.0.0", Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

// Everything that is linked in has its licence in the package, the language too, and nothing that is only tested with.
func TestLicences(t *testing.T) {
	modules, err := here(t).licences(t.Context(), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range modules {
		paths = append(paths, m.Path)
		for _, text := range m.Texts {
			if len(text.Body) == 0 {
				t.Errorf("%s: %s is empty", m.Path, text.Name)
			}
		}
	}
	for _, want := range []string{"go", "github.com/hashicorp/memberlist", "github.com/google/nftables", "golang.org/x/sys"} {
		if !slices.Contains(paths, want) {
			t.Errorf("%s is linked in and has no licence; there are %s", want, paths)
		}
	}
	for _, path := range paths {
		if path == "go.uber.org/goleak" || strings.HasPrefix(path, "memvip") {
			t.Errorf("%s is not somebody else's that is linked in", path)
		}
	}
	if !slices.IsSorted(paths[1:]) || slices.ContainsFunc(modules[0].Texts, func(x text) bool { return x.Name == "LICENSE" }) == false {
		t.Errorf("the order is %s, and Go's own texts are %v", paths, modules[0].Texts)
	}
}

func TestModuleWithoutLicence(t *testing.T) {
	licensed := []text{{Name: "LICENSE", Body: []byte("do")}}
	_, err := sorted(module{Path: "go", Texts: licensed}, map[string]*module{"a": {Path: "a", Texts: licensed}, "b": {Path: "b", Version: "v2"}})
	if err == nil || !strings.Contains(err.Error(), "licence of b v2: the module has none") {
		t.Errorf("a module without licence: %v", err)
	}
}

// A text in a folder between the module's and a package's counts; a program's source does not.
func TestLicenceInAFolderBelow(t *testing.T) {
	m := module{Path: "m"}
	root := t.TempDir()
	for name, body := range map[string]string{
		"LICENSE": "a", "sub/NOTICE.txt": "b", "sub/license.go": "c", "sub/deep/x.go": "d", "other/COPYING": "e", "sub/LICENSES": "f",
	} {
		if err := (stage{folder: root}).write(name, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.read(root, filepath.Join(root, "sub/deep")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, text := range m.Texts {
		names = append(names, text.Name)
	}
	if want := []string{"sub/NOTICE.txt", "LICENSE"}; !slices.Equal(names, want) {
		t.Errorf("found %s, want %s", names, want)
	}
}
