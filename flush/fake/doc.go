// Package fake is a memcached for tests: it speaks as much of the text protocol as the agent and simple clients use,
// over loopback or in memory, and misbehaves on demand.
//
// What it decides is what a flush leaves behind, by the rules that were measured on real servers: those up to 1.6.24,
// where a flush takes everything, and those from 1.6.25 on, where items read within the last second survive the OK. The
// contract tests of package flush hold it to the behaviour of the installed memcached. It does not promise that
// server's memory limits, eviction, concurrency or speed.
package fake
