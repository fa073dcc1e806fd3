// Package packaging makes the Debian and RPM packages of memvip.
//
// It decides what a package's version is, and makes what no file of the repository holds as it is installed: the programs for
// an architecture, manual pages, completions, the changelog, and the licence texts of everything that is linked in. What lies
// where, with which rights, is nfpm.yaml's, and what is done on installing and removing is in deb, rpm and files.
//
// The same commit gives the same bytes, whoever builds it, wherever and whenever: no clock, host name, folder or order of a
// folder's entries gets into a package.
//
// nfpm is pinned in nfpm.mod and run as a tool, and is not a requirement of the module: there it would raise the versions of
// libraries that the agent itself is linked with.
package packaging
