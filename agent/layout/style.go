package layout

// Style is what a colour would say; without colour nothing is lost.
type Style int

// The styles.
const (
	Plain Style = iota
	Good
	Warning
	Bad
	Faint
)

// Painted returns the text in its style's colour, for a terminal. Without colour it is the text.
func Painted(text string, s Style, color bool) string {
	if !color || s == Plain || text == "" {
		return text
	}
	return s.escape() + text + "\x1b[0m"
}

func (s Style) escape() string {
	switch s {
	case Plain:
		return ""
	case Good:
		return "\x1b[32m"
	case Warning:
		return "\x1b[33m"
	case Bad:
		return "\x1b[1;31m"
	case Faint:
		return "\x1b[2m"
	}
	return ""
}
