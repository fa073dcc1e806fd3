// Package shell runs the sessions of a command's testdata/script: an operator at a shell, misuse included.
//
// It decides how strict a session is: programs are called by exec, no file is written twice, and an exit
// code is demanded as a number. It does not promise a place of their own to what they run; see package apart.
package shell
