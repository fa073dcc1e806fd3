package configs

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// A place is where one key or array element stands in the text, and the places inside it.
//
// The TOML decoder knows the line of a syntax error but not, after a file was read well, the line of a key.
// findPlaces reads the same text for the lines alone. It leaves it to the decoder to refuse a text: it checks
// nothing, and where it cannot follow it stops, so that a lookup falls back to the line of the enclosing
// table. Only nesting is its business, see nestingMax.
type place struct {
	line  int
	keys  map[string]*place
	items []*place
}

// key returns the place of a key inside p; for one that is not there, a place on p's own line.
func (p *place) key(name string) *place {
	if inner, ok := p.keys[name]; ok {
		return inner
	}
	return &place{line: p.line}
}

// item returns the place of the i-th element of the array at p.
func (p *place) item(i int) *place {
	if i < len(p.items) {
		return p.items[i]
	}
	return &place{line: p.line}
}

// descend returns the place of the key path under p, made with the given line where it is new. A path
// through an array of tables means its last table.
func (p *place) descend(path []string, line int) *place {
	for _, name := range path {
		p = p.last()
		inner, ok := p.keys[name]
		if !ok {
			inner = &place{line: line}
			if p.keys == nil {
				p.keys = make(map[string]*place)
			}
			p.keys[name] = inner
		}
		p = inner
	}
	return p
}

func (p *place) last() *place {
	if n := len(p.items); n > 0 {
		return p.items[n-1]
	}
	return p
}

func (p *place) appendItem(line int) *place {
	inner := &place{line: line}
	p.items = append(p.items, inner)
	return inner
}

// findPlaces indexes a text. The root stands on line 1. The second result is the line where a key or a value is
// nested too deep, and 0 if none is.
func findPlaces(text string) (*place, int) {
	root := &place{line: 1}
	s := scanner{rest: strings.TrimPrefix(text, "\ufeff"), line: 1}
	for table := root; s.blank() && s.rest != ""; {
		line := s.line
		switch {
		case s.skip("[["):
			table = root.descend(s.keyPath(), line).appendItem(line)
			s.skipAll("]]")
		case s.skip("["):
			table = root.descend(s.keyPath(), line).last()
			table.line = line
			s.skipAll("]")
		default:
			s.assignment(table)
		}
	}
	return root, s.tooDeep
}

// A scanner walks through a text and counts its lines. After stop it has nothing left to read.
type scanner struct {
	rest    string
	line    int
	nesting int // of brackets around the value that is being read
	tooDeep int // the line where nestingMax was passed
}

func (s *scanner) stop() { s.rest = "" }

func (s *scanner) stopTooDeep() {
	s.tooDeep = s.line
	s.stop()
}

// advance steps over n bytes.
func (s *scanner) advance(n int) string {
	n = min(n, len(s.rest))
	passed := s.rest[:n]
	s.line += strings.Count(passed, "\n")
	s.rest = s.rest[n:]
	return passed
}

// skip steps over the literal if it comes next.
func (s *scanner) skip(literal string) bool {
	if !strings.HasPrefix(s.rest, literal) {
		return false
	}
	s.advance(len(literal))
	return true
}

// skipAll steps over the literal, which the grammar demands here; spaces may come first.
func (s *scanner) skipAll(literal string) {
	s.spaces()
	if !s.skip(literal) {
		s.stop()
	}
}

func (s *scanner) spaces() {
	s.advance(len(s.rest) - len(strings.TrimLeft(s.rest, " \t")))
}

// blank steps over spaces, line ends and comments. It always returns true, so that it fits a loop's head.
func (s *scanner) blank() bool {
	for {
		s.advance(len(s.rest) - len(strings.TrimLeft(s.rest, " \t\r\n")))
		if !strings.HasPrefix(s.rest, "#") {
			return true
		}
		s.advance(indexOr(s.rest, "\n", len(s.rest)))
	}
}

// assignment reads key = value into the table.
func (s *scanner) assignment(table *place) {
	line := s.line
	path := s.keyPath()
	if len(path) == 0 {
		s.stop()
		return
	}
	inner := table.descend(path, line)
	s.skipAll("=")
	s.spaces()
	s.value(inner)
}

// keyPath reads a dotted key, each part bare or quoted.
func (s *scanner) keyPath() []string {
	var path []string
	for {
		s.spaces()
		part, ok := s.keyPart()
		if !ok {
			return path
		}
		path = append(path, part)
		if len(path) > nestingMax {
			s.stopTooDeep()
		}
		s.spaces()
		if !s.skip(".") {
			return path
		}
	}
}

func (s *scanner) keyPart() (string, bool) {
	if strings.HasPrefix(s.rest, `"`) || strings.HasPrefix(s.rest, `'`) {
		return unquoteKey(s.quoted(s.rest[:1]))
	}
	part := s.advance(indexAnyOr(s.rest, " \t\r\n.=]\"'#", len(s.rest)))
	return part, part != ""
}

// unquoteKey lets the decoder itself undo the quoting, so that the two cannot disagree.
func unquoteKey(quoted string) (string, bool) {
	var doc struct{ Key string }
	_, err := toml.Decode("key = "+quoted, &doc)
	return doc.Key, err == nil
}

// value reads one value, and the keys and elements inside it.
func (s *scanner) value(at *place) {
	switch {
	case s.skip("{"):
		s.inside("}", func() { s.assignment(at) })
	case s.skip("["):
		s.inside("]", func() { s.value(at.appendItem(s.line)) })
	case strings.HasPrefix(s.rest, `"""`), strings.HasPrefix(s.rest, `'''`):
		s.quoted(s.rest[:3])
	case strings.HasPrefix(s.rest, `"`), strings.HasPrefix(s.rest, `'`):
		s.quoted(s.rest[:1])
	default:
		s.advance(indexAnyOr(s.rest, ",]}#\r\n", len(s.rest)))
	}
}

// inside reads what stands between commas up to the closing bracket.
func (s *scanner) inside(closing string, element func()) {
	if s.nesting++; s.nesting > nestingMax {
		s.stopTooDeep()
	}
	defer func() { s.nesting-- }()
	for s.blank() && s.rest != "" && !s.skip(closing) {
		before := len(s.rest)
		element()
		s.blank()
		s.skip(",")
		if len(s.rest) == before {
			s.stop()
		}
	}
}

// quoted steps over a string with the given delimiter and returns it, delimiters included.
func (s *scanner) quoted(delimiter string) string {
	escapes := delimiter[0] == '"'
	for i := len(delimiter); i < len(s.rest); i++ {
		switch {
		case escapes && s.rest[i] == '\\':
			i++
		case strings.HasPrefix(s.rest[i:], delimiter):
			end := i + len(delimiter)
			// Up to two more quotes may stand before the three that close a long string.
			for len(delimiter) == 3 && end < len(s.rest) && s.rest[end] == delimiter[0] && end < i+5 {
				end++
			}
			return s.advance(end)
		}
	}
	return s.advance(len(s.rest))
}

func indexOr(s, literal string, otherwise int) int {
	if i := strings.Index(s, literal); i >= 0 {
		return i
	}
	return otherwise
}

func indexAnyOr(s, chars string, otherwise int) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return otherwise
}
