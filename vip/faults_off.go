//go:build !faults

package vip

// mortal has no part in a build that is meant to be run. Only the build tag "faults" brings the other one, whatever
// the environment says; see faults_on.go.
func mortal(m *Manager) *Manager { return m }
