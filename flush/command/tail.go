package command

import "strings"

// TailBytesMax is how much of a command's output a Tail keeps.
const TailBytesMax = 1 << 10

// Tail keeps the last bytes written to it. One goroutine may use it at a time.
type Tail struct{ kept []byte }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-TailBytesMax):]...)
	if over := len(t.kept) - TailBytesMax; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// Bytes returns what was kept, until the next Write.
func (t *Tail) Bytes() []byte { return t.kept }

// Text returns what was kept, as valid UTF-8 and without blanks around it. It is as the command wrote it: whoever shows
// it has to see that it acts on no terminal.
func (t *Tail) Text() string { return strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "\uFFFD")) }
