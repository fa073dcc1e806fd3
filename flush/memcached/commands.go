package memcached

import (
	"context"
	"errors"
)

// The commands, as sent.
const (
	noopCommand  = "mn"
	statsCommand = "stats"
	setsCommand  = "stats settings"
	connsCommand = "stats conns"
	flushCommand = "flush_all"
	crawlCommand = "lru_crawler crawl all"
)

// Noop asks for the answer to mn, which touches no item and needs no memory: socket, worker thread and parser work.
func (c *Conn) Noop(ctx context.Context) error {
	return c.simple(ctx, noopCommand, "MN")
}

// FlushAll sends flush_all without delay and wants exactly OK, which means accepted and proves nothing: from 1.6.25
// on, items read within the last second survive it.
func (c *Conn) FlushAll(ctx context.Context) error {
	return c.simple(ctx, flushCommand, "OK")
}

// CrawlAll makes the crawler walk all items once and free the dead ones. It returns when the walk has begun.
func (c *Conn) CrawlAll(ctx context.Context) error {
	return c.simple(ctx, crawlCommand, "OK")
}

func (c *Conn) simple(ctx context.Context, command, want string) error {
	return c.roundTrip(ctx, command, func(l *lines) error { return l.exactly(want) })
}

// Stats returns the figures of one group by name: "" for the general ones, "settings" for the settings. The latter
// answers in the same form and is safe at any load; "conns" has its own method.
func (c *Conn) Stats(ctx context.Context, group string) (map[string]string, error) {
	command := statsCommand
	if group != "" {
		command += " " + group
	}
	var stats map[string]string
	err := c.roundTrip(ctx, command, func(l *lines) (err error) {
		stats, err = readStats(l)
		return err
	})
	return stats, err
}

// Figures returns the general figures and the settings, both asked for at once: one round trip. Of two answers that are
// none of the wanted form, the first is the error.
func (c *Conn) Figures(ctx context.Context) (general, settings map[string]string, err error) {
	err = c.roundTrip(ctx, statsCommand+"\r\n"+setsCommand, func(l *lines) (err error) {
		l.command = statsCommand
		if general, err = readStats(l); err != nil && !answersOn(err) {
			return err
		}
		var second error
		if settings, second = readStats(&lines{r: l.r, command: setsCommand}); err == nil {
			err = second
		}
		return err
	})
	return general, settings, err
}

// answersOn reports whether the next answer follows one that was an error: a server that is full closes instead, and
// after anything else nothing can be read any more.
func answersOn(err error) bool {
	reply, ok := errors.AsType[*ReplyError](err)
	return ok && reply.Kind() != KindFull
}

// Conns lists what the process has open on its side: listeners and accepted connections. See Client for what a line
// is worth.
func (c *Conn) Conns(ctx context.Context) ([]Client, error) {
	var clients []Client
	err := c.roundTrip(ctx, connsCommand, func(l *lines) (err error) {
		clients, err = readConns(l)
		return err
	})
	return clients, err
}
