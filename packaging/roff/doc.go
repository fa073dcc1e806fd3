// Package roff writes manual pages.
//
// It knows the few forms that the project's pages have, and what means something to roff and must be masked. It decides nothing
// of what stands in a page.
package roff
