package main

import (
	"fmt"
	"strings"
)

// named is what can be chosen by name.
type named interface{ title() string }

func (c contender) title() string { return c.name }
func (f fault) title() string     { return f.name }

// Words that stand for everything there is, and for nothing.
const (
	all  = "all"
	none = "none"
)

// choose finds by name, in the order of the list of all.
func choose[T named](flag, names string, from []T) ([]T, error) {
	if names == all {
		return from, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []T
	for _, v := range from {
		if wanted[v.title()] {
			chosen = append(chosen, v)
			delete(wanted, v.title())
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("-%s: there is no %q; -list names them all", flag, name)
	}
	return chosen, nil
}
