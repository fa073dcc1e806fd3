// Package apart moves tests into namespaces of their own, where they may make links, take addresses and
// mount what they like: this machine's interfaces and mounts are out of their reach.
//
// It decides only how: as root, or where that is not allowed as root of a new user namespace. It never
// skips a test; where the kernel allows no namespaces, a test fails and says so. It does not promise
// processes or files of their own: the process namespace and, but for later mounts, the file system are shared.
package apart
