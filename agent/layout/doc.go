// Package layout is how lines for people are laid out: how wide they are, where they break, what colour
// says, and how a duration reads.
//
// Its functions are pure and know nothing of what is said. What came from other hosts is made harmless for a
// terminal (Printable, which Wrap applies). Width is counted in runes, one column each: names and reasons are
// plain text, and no promise is made for scripts with wide or combining characters.
package layout
