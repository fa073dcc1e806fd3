package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"memvip/integration/bench/machine"
	"memvip/integration/lab"
)

// observe measures one size with real agents.
func observe(ctx context.Context, set settings, nodes int, progress io.Writer) (row realRow, err error) {
	tell := func(format string, args ...any) { fmt.Fprintf(progress, "    "+format+"\n", args...) }
	row = realRow{Nodes: nodes, Load: machine.Look().Load}
	s, err := newSite(set, nodes)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	row.Scheduled = "as the unit says"
	if !s.lab.Realtime() {
		row.Scheduled = "like everybody: the unit's class is not allowed here"
	}
	started, formed, err := s.form(ctx)
	if err != nil {
		return row, fmt.Errorf("fresh start: %w", err)
	}
	row.Started, row.Formed = inMillis(started), inMillis(formed)
	tell("formed after %s, %s of it to start all agents", formed, started)
	if err := s.settle(ctx); err != nil {
		return row, fmt.Errorf("fresh start: %w", err)
	}
	if row.Voters, row.Others, err = s.measure(ctx, set.steady); err != nil {
		return row, err
	}
	tell("measured %s of calm", set.steady)
	return row, s.strikeAll(ctx, set, &row, tell)
}

// strikeAll has memcacheds die and hosts cut off, one after the other, and at last a tenth of all. Each host is home of the
// VIP with its number.
func (s *site) strikeAll(ctx context.Context, set settings, row *realRow, tell func(string, ...any)) error {
	for _, i := range struck(row.Nodes, set.repeats, 0) {
		m, err := s.kill(ctx, s.lab.VIPs[i])
		if err != nil {
			return fmt.Errorf("memcached of %s dies: %w", s.lab.Hosts[i].Name, err)
		}
		row.Exits = append(row.Exits, m)
		tell("memcached of %s died: %s to %s after %.1f ms", m.From, m.VIP, m.To, float64(m.Took))
	}
	for _, i := range struck(row.Nodes, set.repeats, 1) {
		moves, err := s.cut(ctx, s.lab.VIPs[i])
		if err != nil {
			return fmt.Errorf("%s is cut off: %w", s.lab.Hosts[i].Name, err)
		}
		row.Cuts = append(row.Cuts, moves...)
		tell("%s was cut off: %s to %s after %.1f ms", moves[0].From, moves[0].VIP, moves[0].To, float64(moves[0].Took))
	}
	var vips []lab.VIP
	for _, i := range rackOf(row.Nodes, set.repeats) {
		vips = append(vips, s.lab.VIPs[i])
	}
	moves, err := s.cut(ctx, vips...)
	if err != nil {
		return fmt.Errorf("%d hosts are cut off: %w", len(vips), err)
	}
	row.Rack = sumOf(moves)
	tell("%d hosts were cut off: all their VIPs elsewhere after %.1f ms", row.Rack.Hosts, float64(row.Rack.All))
	return nil
}

// rackOf is a tenth of the hosts, at least one: those whose turn it would be next, ten apart, so that at most one of
// them votes.
func rackOf(nodes, repeats int) []int {
	first := struck(nodes, repeats, 2)[0]
	var hosts []int
	for i := range max(1, nodes/10) {
		hosts = append(hosts, (first+10*i)%nodes)
	}
	return hosts
}

// sumOf is what became of hosts with one VIP each. Whoever took some had one of its own.
func sumOf(moves []move) rack {
	r := rack{Hosts: len(moves), VIPs: len(moves)}
	r.First, r.All = span(took(moves))
	held := map[string]int{}
	for _, m := range moves {
		held[m.To]++
		r.Most = max(r.Most, held[m.To]+1)
	}
	return r
}

// kill ends the memcached of a VIP's home, and starts it again when the VIP is served elsewhere.
func (s *site) kill(ctx context.Context, v lab.VIP) (move, error) {
	at, err := v.Home.Memcached().Kill()
	if err != nil {
		return move{}, err
	}
	m, err := s.elsewhere(ctx, v, at)
	if err != nil {
		return m, err
	}
	if err := v.Home.Memcached().Start(); err != nil {
		return m, err
	}
	return m, s.settle(ctx)
}

// cut takes the homes of VIPs out of the network at once, and puts them back when all are served elsewhere.
func (s *site) cut(ctx context.Context, vips ...lab.VIP) ([]move, error) {
	at := lab.Now()
	for _, v := range vips {
		if _, err := s.lab.Cut(v.Home); err != nil {
			return nil, err
		}
	}
	var moves []move
	for _, v := range vips {
		m, err := s.elsewhere(ctx, v, at)
		if err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	for _, v := range vips {
		if _, err := s.lab.HealHost(v.Home); err != nil {
			return nil, err
		}
	}
	return moves, s.settle(ctx)
}
