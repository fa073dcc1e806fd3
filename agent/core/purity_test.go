package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowedImports are what the core may use, each with its reason. Everything else brings I/O, clocks,
// randomness or other people's decisions, and would end the promise that one run is one trace.
var allowedImports = map[string]string{
	"cmp":       "ordering",
	"fmt":       "words for transitions and broken invariants",
	"hash/fnv":  "rendezvous hash and list digests",
	"maps":      "sorted iteration",
	"math/bits": "turns that double",
	"slices":    "sorting",
	"strings":   "ordering and joining names",
	"time":      "durations; never a clock, see allowedOfTime",
}

// allowedOfTime are the members of package time that read no clock.
var allowedOfTime = map[string]bool{
	"Duration": true, "Nanosecond": true, "Microsecond": true, "Millisecond": true, "Second": true, "Minute": true, "Hour": true,
}

// TestPurity keeps I/O, goroutines, clocks and randomness out of the core.
func TestPurity(t *testing.T) {
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "_test.go") })
	if err != nil || len(names) < 10 {
		t.Fatalf("found %d files: %v", len(names), err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); allowedImports[path] == "" {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				t.Errorf("%s: goroutine or channel", set.Position(x.Pos()))
			case *ast.SelectorExpr:
				if p, ok := x.X.(*ast.Ident); ok && p.Name == "time" && !allowedOfTime[x.Sel.Name] {
					t.Errorf("%s: time.%s", set.Position(x.Pos()), x.Sel.Name)
				}
			}
			return true
		})
	}
}
