package main

import "testing"

func TestTableLinesUp(t *testing.T) {
	x := table{head: []string{"what", "ms"}, left: 1}
	if x.ifAny() != "" {
		t.Errorf("a table of nothing: %q", x.ifAny())
	}
	x.add("≤ one", "7")
	x.add("two", "12345")
	want := `| what  |    ms |
| :---- | ----: |
| ≤ one |     7 |
| two   | 12345 |
`
	if got := x.ifAny(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
