// Package health tells whether one memcached instance is alive, and if not, why.
//
// It decides one thing, up or down, from four sources: a kept-open connection that is asked mn again and again, fresh
// connections that go round the server's worker threads, the end of an idle connection, and, where the kernel allows
// it, exits reported by the process connector. The rule is the Judge, which reads no clock and does no I/O; Prober does
// the I/O around it and owns every goroutine; Connector is the kernel's side.
//
// It never writes or reads an item, never logs, never retries on anybody's behalf and holds no opinion on who should
// serve an address. "Too many open connections" and "unauthenticated" are answers of a live server: up, with a note.
//
// It does not promise that a server which answers mn keeps its data, that a process frozen for less than the fall time
// is noticed, or that a death is seen at once without the process connector: the kernel frees a process's memory before
// it closes its sockets, which takes long for a big cache.
package health
