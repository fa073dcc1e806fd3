// Package operate carries operators' commands through. Each looks whether it can be done and what it would cost,
// asks the node that can begin it, waits for what becomes of it, and says so. Each may be repeated: what is done
// already is said to be. Nothing is decided here; what the nodes decide is read from their reports. The order
// in which gossip keys are changed on all nodes is kept here, by the one rule of package control (KeyGaps).
package operate
