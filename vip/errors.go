package vip

import (
	"errors"
	"fmt"
)

// What can go wrong apart from the kernel's own refusals, which are wrapped as they are.
var (
	// ErrCapability: the process may not do what a Manager needs; the text names the capabilities.
	ErrCapability = errors.New("missing capability")
	// ErrAddress: the Address cannot be a service address.
	ErrAddress = errors.New("bad address")
	// ErrNoLink: there is no link of that name in this network namespace.
	ErrNoLink = errors.New("no such link")
	// ErrTooLate: the lease had ended when it was asked; the address is not held, and off the link unless
	// another error stands beside this one.
	ErrTooLate = errors.New("lease is over")
	// ErrForeign: the address is on the link already, and not by us; it was left as it is.
	ErrForeign = errors.New("address is there already and was not added by memvip")
	// ErrAbsent: there is no such address on the link.
	ErrAbsent = errors.New("address is not there")
	// ErrNotHeld: Prolong or Announce of an address that was not taken.
	ErrNotHeld = errors.New("address is not held")
	// ErrNotAnnounced: the address is on the link and held, but no announcement could be sent; the
	// schedule goes on trying.
	ErrNotAnnounced = errors.New("address is held but was not announced")
	// ErrNoSocketDestroy: the kernel cannot destroy TCP sockets (it lacks CONFIG_INET_DIAG_DESTROY).
	ErrNoSocketDestroy = errors.New("kernel cannot destroy TCP sockets")
	// ErrSocketsLeft: connections of a dropped address outlived every attempt to destroy them.
	ErrSocketsLeft = errors.New("TCP sockets left")
	// ErrClosed: the Manager was closed.
	ErrClosed = errors.New("manager is closed")
)

// An operation is what was being done to an address, for the text of an error.
type operation string

const (
	opAdd      operation = "add"
	opProlong  operation = "prolong"
	opAnnounce operation = "announce"
	opRemove   operation = "remove"
	opDrop     operation = "drop"
	opDestroy  operation = "destroy connections of"
	opShut     operation = "close the fence for"
)

// failed wraps what kept an operation on an address from being done.
func failed(op operation, a Address, err error) error {
	preposition := "on"
	switch op {
	case opAdd:
		preposition = "to"
	case opRemove, opDrop:
		preposition = "from"
	case opProlong, opAnnounce, opDestroy, opShut:
	}
	return fmt.Errorf("vip: %s %s %s %s: %w", op, a.Prefix, preposition, a.Link, err)
}

// named says in which call an error came about that is of no one address; nil stays nil.
func named(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("vip: %s: %w", call, err)
}

// joined joins the errors that are not nil; a single one is returned as it is.
func joined(errs ...error) error {
	var list []error
	for _, err := range errs {
		if err != nil {
			list = append(list, err)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return errors.Join(list...)
}
