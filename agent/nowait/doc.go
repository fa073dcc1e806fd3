// Package nowait makes system calls that return at once, behind the back of Go's scheduler.
//
// The runtime takes every system call for one that may block. The first after an idle moment wakes its monitor thread,
// which looks every 20 µs whether the call has come back, for as long as anything of the process runs. An idle agent wakes
// some hundred times a second for a few microseconds of work, and spent a quarter of its time on that.
//
// What is here must never wait: a thread that did would keep a core's share of the program from running, and a garbage
// collection from beginning. So sockets are asked with MSG_DONTWAIT, and nothing else belongs here but clocks and timers, for
// which the runtime's netpoller waits. It decides nothing.
package nowait
