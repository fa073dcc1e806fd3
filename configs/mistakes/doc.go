// Package mistakes holds bad configurations, each with all that is to be said about it, for tests: those of
// package configs read them, and those of the programs put them in the way of a running agent.
//
// It decides nothing; what is a mistake and what is said of it is for package configs. It does not promise
// to be complete: what only a host can tell, such as a missing key file, is in the tests themselves.
package mistakes
