// Package hooks runs an operator's commands when something has happened to a VIP on this node.
//
// A Runner is told every entry of the node's history and picks the four kinds that there are hooks for; it has no other
// source, and what it says is what history and log say. It decides in which order commands are run (one after the other
// for each VIP, beside each other for different ones), how long one may take, and what is dropped when more happens than
// the commands can follow. HOOKS.md says what a command is told, and what it can rely on.
//
// It never holds anybody up: to notice an entry takes no more than a lock that nobody waits with. Commands get no right
// that the agent's user has not, no shell, and no part of the agent's scheduling class. Nothing is decided by what they
// do or say.
//
// It does not promise that every event has its hook: the queue of a VIP is bounded, an agent that dies takes the queue
// with it, and one that ends waits only so long.
package hooks
