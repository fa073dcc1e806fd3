package configs

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// A table is one TOML table while it is read: its values, where they stand, and which keys were asked for.
// A key that nobody asked for is one that nobody knows, see done.
//
// The readers report a value that will not do and then return what stands in for it (the default, or
// nothing), so that one mistake does not make others.
type table struct {
	problems *problems
	name     string // prefix of the keys in messages; empty for the whole file
	values   map[string]any
	at       *place
	asked    []string
}

// path returns the key with the tables around it, as one would write it in a file.
func (t *table) path(key string) string {
	key = toml.Key{key}.String()
	if t.name == "" {
		return key
	}
	return t.name + "." + key
}

func (t *table) line(key string) int { return t.at.key(key).line }

func (t *table) bad(key, found, expected string) {
	t.badAt(t.line(key), key, found, expected)
}

func (t *table) badAt(line int, key, found, expected string) {
	t.problems.add(&Error{Line: line, Key: t.path(key), Found: found, Expected: expected})
}

func (t *table) warn(key, format string, args ...any) {
	t.problems.warn(t.line(key), t.path(key), format, args...)
}

// take returns a key's value and marks the key as known.
func (t *table) take(key string) (any, bool) {
	t.asked = append(t.asked, key)
	v, ok := t.values[key]
	return v, ok
}

func (t *table) has(key string) bool {
	_, ok := t.values[key]
	return ok
}

// require reports a key that is not there.
func (t *table) require(key, expected string) {
	if !t.has(key) {
		t.bad(key, "missing", expected)
	}
}

// done reports the keys that nobody asked for.
func (t *table) done() {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if slices.Contains(t.asked, key) {
			continue
		}
		expected := "one of " + strings.Join(t.asked, ", ")
		if name, ok := nearest(key, t.asked); ok {
			expected = quote(name) + ", the nearest known key"
		}
		t.bad(key, "unknown key", expected)
	}
}

// section returns the table inside t; one that is missing or of another type reads as empty.
func (t *table) section(key string) *table {
	inner := &table{problems: t.problems, name: t.path(key), at: t.at.key(key)}
	v, ok := t.take(key)
	if !ok {
		return inner
	}
	values, ok := v.(map[string]any)
	if !ok {
		t.bad(key, kind(v), "a table")
	}
	inner.values = values
	return inner
}

// sections returns the tables of an array of tables.
func (t *table) sections(key string) []*table {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	elements, ok := array(v)
	if !ok {
		t.bad(key, kind(v), "[["+key+"]], once for each")
		return nil
	}
	var list []*table
	for i, e := range elements {
		at := t.at.key(key).item(i)
		values, ok := e.(map[string]any)
		if !ok {
			t.badAt(at.line, key, kind(e), "[["+key+"]], once for each")
			continue
		}
		list = append(list, &table{problems: t.problems, name: t.path(key), values: values, at: at})
	}
	return list
}

// text reads a string. It is false if the key is missing or no string; the latter is reported.
func (t *table) text(key, expected string) (string, bool) {
	v, ok := t.take(key)
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		t.bad(key, kind(v), expected)
	}
	return s, ok
}

// list reads an array of strings, true only if every element is one.
func (t *table) list(key, expected string) ([]string, bool) {
	v, ok := t.take(key)
	if !ok {
		return nil, false
	}
	elements, ok := array(v)
	if !ok {
		t.bad(key, kind(v), expected)
		return nil, false
	}
	list := make([]string, len(elements))
	for i, e := range elements {
		if list[i], ok = e.(string); !ok {
			t.badAt(t.at.key(key).item(i).line, key, kind(e), expected)
			return nil, false
		}
	}
	return list, true
}

// argv reads a command, which is an array so that no shell has to take it apart.
func (t *table) argv(key, expected string) []string {
	argv, ok := t.list(key, expected)
	switch {
	case !ok:
		return nil
	case len(argv) == 0:
		t.bad(key, "an empty array", expected)
	case argv[0] == "":
		t.bad(key, "a command without a name", expected)
	case slices.ContainsFunc(argv, func(a string) bool { return strings.ContainsRune(a, 0) }):
		t.bad(key, "a zero byte, which no command can be given", expected)
	default:
		return argv
	}
	return nil
}

// addrPort reads the address of a memcached instance.
func (t *table) addrPort(key string) (netip.AddrPort, bool) {
	const expected = `an address and port of this host, such as "127.0.0.1:11211"`
	s, ok := t.text(key, expected)
	if !ok {
		return netip.AddrPort{}, false
	}
	ap, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		t.bad(key, quote(s)+" is no address and port (names are not looked up)", expected)
	case ap.Port() == 0:
		t.bad(key, quote(s)+" has port 0", expected)
	case ap.Addr().IsUnspecified():
		t.bad(key, quote(s)+" is a wildcard, which one can listen on but not connect to", expected)
	default:
		if fault := unfit(ap.Addr()); fault != "" {
			t.bad(key, quote(s)+" is "+fault, expected)
			break
		}
		return ap, true
	}
	return netip.AddrPort{}, false
}

func (t *table) duration(key string, set setting[time.Duration]) time.Duration {
	const example = `a duration in quotes, such as "600ms" or "5s"`
	s, ok := t.text(key, example)
	if !ok {
		return set.value
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		if strings.Trim(s, "0123456789.+-") == "" && s != "" {
			t.bad(key, quote(s)+" has no unit", example)
		} else {
			t.bad(key, quote(s)+" is no duration", example)
		}
		return set.value
	}
	return bounded(t, key, d, set, short)
}

func (t *table) integer(key string, set setting[int]) int {
	v, ok := t.take(key)
	if !ok {
		return set.value
	}
	n, ok := v.(int64)
	if !ok {
		t.bad(key, kind(v), fmt.Sprintf("an integer, such as %d", set.value))
		return set.value
	}
	wide := setting[int64]{value: int64(set.value), floor: int64(set.floor), ceiling: int64(set.ceiling)}
	return int(bounded(t, key, n, wide, func(n int64) string { return fmt.Sprint(n) }))
}

func (t *table) number(key string, set setting[float64]) float64 {
	v, ok := t.take(key)
	if !ok {
		return set.value
	}
	f, ok := v.(float64)
	if n, isInt := v.(int64); isInt {
		f, ok = float64(n), true
	}
	if !ok || math.IsNaN(f) {
		t.bad(key, kind(v), fmt.Sprintf("a number, such as %g", set.value))
		return set.value
	}
	return bounded(t, key, f, set, func(f float64) string { return fmt.Sprint(f) })
}

// bounded returns the value if it is within the setting's bounds.
func bounded[T cmp.Ordered](t *table, key string, v T, set setting[T], show func(T) string) T {
	expected := show(set.floor) + " to " + show(set.ceiling)
	switch {
	case v < set.floor:
		t.bad(key, show(v)+" is below the floor", expected)
	case v > set.ceiling:
		t.bad(key, show(v)+" is above the ceiling", expected)
	default:
		return v
	}
	return set.value
}
