package packaging

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"memvip/packaging/roff"
)

// The forms of line that configs/agent.toml consists of, beside comments and empty lines.
var (
	tableLine = regexp.MustCompile(`^(#?)(\[\[?[a-z_.]+\]\]?)$`)
	keyLine   = regexp.MustCompile(`^(#?)([a-z_]+) *= (.+)$`)
)

// reference is what configs/agent.toml says, as a manual page has it.
type reference struct {
	about  []string // the first comment
	tables []*table
}

// table is one of a configuration's, with what stands above it.
type table struct {
	name  string // in its brackets
	about []string
	keys  []*key
}

// key is one of a table's. Keys in a row share what stands above the first.
type key struct {
	names   []string
	values  []string // of the example, or the default where it is commented out
	example []bool
	about   []string
}

// readReference reads the text of configs/agent.toml. A line of a form that it does not know is an error: a key must not be
// missing from the manual.
func readReference(lines []string) (*reference, error) {
	r := &reference{}
	var in *table
	var comment []string
	var last *key // what the line above is part of
	for n, line := range lines {
		switch isTable, isKey := tableLine.FindStringSubmatch(line), keyLine.FindStringSubmatch(line); {
		case line == "":
			if r.about == nil {
				r.about = comment
			}
			comment, last = nil, nil
		case isTable != nil:
			in, comment, last = r.table(isTable[2], comment), nil, nil
		case isKey != nil && in == nil:
			return nil, fmt.Errorf("line %d: a key before the first table: %s", n+1, line)
		case isKey != nil:
			last = in.key(last, comment, isKey)
			comment = nil
		case line == "#" || strings.HasPrefix(line, "# "):
			comment, last = append(comment, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")), nil
		default:
			return nil, fmt.Errorf("line %d: neither comment, table nor key: %s", n+1, line)
		}
	}
	return r, nil
}

// table returns the one of that name, which may stand there more than once.
func (r *reference) table(name string, about []string) *table {
	at := slices.IndexFunc(r.tables, func(t *table) bool { return t.name == name })
	if at < 0 {
		r.tables = append(r.tables, &table{name: name, about: about})
		at = len(r.tables) - 1
	}
	return r.tables[at]
}

// key adds a line: to the keys above it, unless it has a comment of its own. A key that was described before is an example's.
func (t *table) key(above *key, comment, line []string) *key {
	name := line[2]
	if slices.ContainsFunc(t.keys, func(k *key) bool { return slices.Contains(k.names, name) }) {
		return nil
	}
	if above == nil || comment != nil {
		above = &key{about: comment}
		t.keys = append(t.keys, above)
	}
	above.names, above.values = append(above.names, name), append(above.values, line[3])
	above.example = append(above.example, line[1] == "")
	return above
}

// page returns the manual page memvip-agent.toml(5).
func (r *reference) page(s Source, example string) string {
	p := roff.New("memvip-agent.toml", 5, s.Time, s.Version, "configuration of memvip-agent")
	p.Section("SYNOPSIS")
	p.Paragraphs("/etc/memvip/agent.toml")
	p.Section("DESCRIPTION")
	p.Paragraphs("The file is TOML, and the same on every host. Which of the nodes a host is, it knows by its name.\n" +
		"Unknown keys are errors. `agentctl check` reads the file as the agent would.")
	for _, t := range r.tables {
		p.Section(t.name)
		p.Paragraphs(strings.Join(t.about, "\n"))
		for _, k := range t.keys {
			k.write(p)
		}
	}
	p.Section("EXAMPLES")
	p.Example(example)
	p.Paragraphs("Whole configurations, also for two hosts and a witness and for one memcached per address, are in\n" +
		"/usr/share/doc/memvip/examples.")
	p.Section("FILES")
	p.Item([]string{roff.Italic("/etc/memvip/agent.toml")}, "Where the agent looks unless --config says otherwise.")
	p.Item([]string{roff.Italic("/etc/memvip/keys/gossip.key")}, "Where the key is usually put.")
	p.SeeAlso("memvip-agent(8)", "agentctl(1)", "agentctl-check(1)")
	return p.String()
}

func (k *key) write(p *roff.Page) {
	names := make([]string, len(k.names))
	for i, name := range k.names {
		kind := "default"
		if k.example[i] {
			kind = "for example"
		}
		names[i] = fmt.Sprintf("%s (%s %s)", roff.Bold(name), kind, roff.Italic(k.values[i]))
	}
	p.Item(names, strings.Join(k.about, "\n"))
}
