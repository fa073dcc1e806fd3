package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memvip/agent/core"
)

// Every name that core counts under is told, or is told otherwise: a counter that nobody adds here is not seen.
func TestCoreCountersAreTold(t *testing.T) {
	found := map[string]bool{}
	fset := token.NewFileSet()
	files, err := filepath.Glob("../core/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name := countedName(n); name != "" {
				found[name] = true
			}
			return true
		})
	}
	if len(found) < 10 {
		t.Fatalf("core counts %v only: it is read in a wrong way", found)
	}
	for name := range found {
		_, told := counters[name]
		if leftOut[name] == nil && !told && name != claimRefusedPrefix && name != renewalRefusedPrefix {
			t.Errorf("core counts %q, which is not told", name)
		}
	}
}

// countedName is the name in m.count("name"), m.count("name_"+x) and m.counts["name"]; "" for anything else.
func countedName(n ast.Node) string {
	var arg ast.Expr
	switch x := n.(type) {
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "count" && len(x.Args) == 1 {
			arg = x.Args[0]
		}
	case *ast.IndexExpr:
		if f, ok := x.X.(*ast.SelectorExpr); ok && f.Sel.Name == "counts" {
			arg = x.Index
		}
	}
	if sum, ok := arg.(*ast.BinaryExpr); ok {
		arg = sum.X
	}
	if text, ok := arg.(*ast.BasicLit); ok && text.Kind == token.STRING {
		name, _ := strconv.Unquote(text.Value) // the parser has read it
		return name
	}
	return ""
}

// The list of refusals is core's.
func TestRefusals(t *testing.T) {
	unknown := core.Refusal(255).String()
	for i, r := range refusals {
		if r != core.NotRefused+core.Refusal(i)+1 || r.String() == unknown {
			t.Errorf("refusal %d is %s", i, r)
		}
	}
	if next := refusals[len(refusals)-1] + 1; next.String() != unknown {
		t.Errorf("%s is not told", next)
	}
}
