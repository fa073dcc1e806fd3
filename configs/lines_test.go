package configs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"memvip/configs/mistakes"
)

// Where keys stand, in every way that TOML lets one write them: a question is a path, the answer a line.
func TestPlaces(t *testing.T) {
	const text = `# a comment with [brackets] = "and quotes

top = 1
dotted . "in quotes" .'again' = 2
"esc\u0061ped" = """
three = 0
lines \""" = 0
"""""
literal = '''
# no comment
'''
inline = { one = 1, two = { three = "}", four = [ 1, 2 ] } }
array = [
  "first, ]", # not the end ]
  'second',
  { key = 1,
    other = 2 },
]
when = 1979-05-27 07:32:00

[table]
key = 1
[table.inner]
key = 2
[[list]]
name = "a"
[[list]]
name = "b"
[list.sub]
key = 1
[[list.deep]]
key = 1
[[ list . deep ]]
key = 2
[late.parent.child]
key = 1
[late]
key = 2
`
	root, _ := findPlaces(text)
	for path, want := range map[string]int{
		"top": 3, "dotted": 4, "dotted|in quotes": 4, "dotted|in quotes|again": 4, "escaped": 5, "literal": 9,
		"inline|one": 12, "inline|two|three": 12, "inline|two|four|#1": 12,
		"array": 13, "array|#0": 14, "array|#1": 15, "array|#2": 16, "array|#2|key": 16, "array|#2|other": 17,
		"when": 19, "table": 21, "table|key": 22, "table|inner": 23, "table|inner|key": 24,
		"list|#0": 25, "list|#0|name": 26, "list|#1|name": 28, "list|#1|sub|key": 30, "list|#1|deep|#0|key": 32, "list|#1|deep|#1|key": 34,
		"late|parent|child|key": 36, "late": 37, "late|key": 38,
		"nobody": 1, "table|nobody": 21, "list|#1|nobody": 27, "list|#7|name": 25,
	} {
		if got := follow(root, path).line; got != want {
			t.Errorf("%s is on line %d, want %d", path, got, want)
		}
	}
}

func follow(p *place, path string) *place {
	for part := range strings.SplitSeq(path, "|") {
		var i int
		if _, err := fmt.Sscanf(part, "#%d", &i); err == nil {
			p = p.item(i)
		} else {
			p = p.key(part)
		}
	}
	return p
}

// checkPlaces sees that the index knows each key and element that the decoder found, on a line of the text.
func checkPlaces(t *testing.T, path string, value any, at *place, lines int) {
	t.Helper()
	if at.line < 1 || at.line > lines {
		t.Errorf("%s is on line %d of %d", path, at.line, lines)
	}
	if table, ok := value.(map[string]any); ok {
		for key, inner := range table {
			if at.keys[key] == nil {
				t.Errorf("%s|%q was not found", path, key)
				continue
			}
			checkPlaces(t, path+"|"+key, inner, at.keys[key], lines)
		}
		return
	}
	elements, _ := array(value)
	for i, inner := range elements {
		if i >= len(at.items) {
			t.Errorf("%s|#%d was not found", path, i)
			return
		}
		checkPlaces(t, fmt.Sprintf("%s|#%d", path, i), inner, at.items[i], lines)
	}
}

// FuzzPlaces holds the index against the decoder: whatever the one accepts, the other finds.
func FuzzPlaces(f *testing.F) {
	for _, b := range mistakes.All {
		f.Add(b.Text())
	}
	f.Add("a.b = { c = [[{d = 1}], []] }\r\n\"\" = ''\n[a.e]\n")
	f.Fuzz(func(t *testing.T, text string) {
		root, tooDeep := findPlaces(text) // whatever the text, it comes to an end
		if tooDeep > 0 {
			return
		}
		values := make(map[string]any)
		if _, err := toml.Decode(text, &values); err != nil {
			return
		}
		checkPlaces(t, "", values, root, 1+strings.Count(text, "\n"))
	})
}
