// Package memcached speaks the few text-protocol commands the agent needs: mn, stats, stats settings, stats conns,
// flush_all and lru_crawler crawl all.
//
// It decides nothing: it sends one command, reads one reply within stated bounds of size and time, and says in types
// what came back. It never reads or writes an item, never retries, never sends noreply and never starts a goroutine
// that outlives a call. It does not promise that a server which answered is healthy, nor that flush_all's OK emptied
// anything; package flush knows what that takes.
package memcached
