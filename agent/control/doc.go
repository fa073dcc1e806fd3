// Package control is how an operator's tool talks to a running agent: a Unix socket with one small
// JSON request and one JSON reply per connection, the report that status is made of, and the words
// and the layout in which people read it.
//
// It decides what counts as well, degraded or not served (Build), and how that is said. Report is the
// documented schema of `agentctl status --json`, Explanation that of `agentctl explain --json`; fields
// are added to a schema, never changed or removed, or else Schema grows.
//
// It never decides where an address goes, never touches the kernel's addresses, and asks nobody but
// the agent on the other end of its socket. Build and Render are pure: what they know comes in the
// call, the time included.
//
// It does not promise that other nodes see what this one reports: everything told by others comes
// with its age. Whoever may open the socket (mode 0660) may ask; there is no other access control.
package control
