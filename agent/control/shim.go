package control

// What package agent/doctor lays its findings out with. It goes when the layout has a package of its own.

// Wrap breaks a text at blanks into lines of at most width columns; all but the first are indented by blanks. What a
// terminal would act on becomes a question mark.
func Wrap(text string, width, indent int) []string { return wrap(text, width, indent) }

// Paint gives a text the colour of a problem of that severity, the faint one for a note, and none for another word; with
// color unset it returns the text.
func Paint(text string, s Severity, color bool) string {
	switch s {
	case SeverityUnserved:
		return painted(text, bad, color)
	case SeverityDegraded:
		return painted(text, warning, color)
	case SeverityNote:
		return painted(text, faint, color)
	}
	return text
}
