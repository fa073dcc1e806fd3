// Package history is the timeline of decisions: what each node's machine changed, when its agent started
// and stopped, and what operators asked for.
//
// A Store keeps the entries of one node in its agent's runtime directory, across restarts and within
// bounds. Merge puts the timelines of several nodes into one order, although their clocks may differ, and
// Render says it in plain words. Entry is the documented schema of `agentctl history --json`.
//
// Nothing is decided by what stands here, and no decision waits for it: a store that cannot write loses
// history and nothing else. It does not promise to be complete. The files are bounded, a crash may tear
// the last line, and where the order of two nodes' entries does not follow from epochs, it is by clocks
// that nobody compared.
package history
