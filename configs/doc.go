// Package configs reads the configuration file of a memvip cluster, which is the same on every host.
//
// It decides what a valid configuration is: Parse and Load either return a Config in which every value is
// settled (written or default) and within its bounds, or every mistake found, each with file, line, key,
// what was found and what was expected. Reading is strict: a key that nobody knows is a mistake.
//
// It never touches the network, never resolves names and never changes a file. The only files it reads are
// the configuration and the gossip key that the configuration names.
//
// It does not promise that the configuration fits the host it was read on: whether the addresses exist, an
// interface fits (Fit answers that, from what it is told) or a memcached listens is for others to find out.
// Nor can it know that all hosts read the same text; Digest is there so that they can compare.
package configs
