// Package service is what an agent and the service manager that started it say to each other: by sd_notify(3) that the
// agent is ready, what it does and that it lives, and over the bus whether a SIGTERM is for a stop or for a restart.
//
// It decides nothing about VIPs, never waits for the service manager for longer than Patience, and does without one.
package service
