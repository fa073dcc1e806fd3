// Package installed tests memvip as users have it: the Debian package, installed with apt on three Debian hosts that are run
// by systemd, beside Debian's own memcached.service.
//
// A host is a container (systemd-nspawn) in the network namespace of a host of the lab, so cables, switch, client, watcher and
// the judgement of what clients saw are those of all other integration tests. Its disk is a copy of a base tree, which
// debootstrap makes once in bin/package-test, and outlives a power cut; nothing else outlives the test.
//
// # What it decides
//
// What each thing that an operator or a fault does to an installed host costs the clients: see the table that it prints.
//
// # What it never does
//
// It never touches the machine's own units, packages or interfaces. All that it starts is in a process namespace that ends with
// it, so that a killed test leaves empty control groups at most, which the next one removes.
//
// # What it does not promise
//
// The kernel does not tell a process in a container of memcached's death (its process connector is the machine's alone), so
// what stands in the table is what the agent achieves without.
//
// Its tests have the build tag package, and need root, debootstrap and systemd-nspawn: make package-test.
package installed
