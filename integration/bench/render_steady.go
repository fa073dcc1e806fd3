package main

import (
	"fmt"
	"strconv"
)

// situation says what went on while cost was measured.
func (c cost) situation() string {
	if c.Clients {
		return "clients at work"
	}
	return "no client"
}

// core is the processor time as a share of one core, in %.
func (c cost) core() float64 {
	return c.median(func(s share) float64 { return s.CPU }) / 3600 * 100
}

// renderSteady is the table of what managers cost, median of the hosts, with words on where keepalived costs less.
func renderSteady(costs []cost) string {
	t := table{head: []string{"while", "contender", "CPU, s/h", "% of a core", "of it check scripts, s/h", "RSS, MiB", "PSS, MiB", "sent, packets/s", "bytes/s", "received, packets/s", "bytes/s"}, left: 2}
	for _, clients := range []bool{false, true} {
		for _, k := range contenders {
			for _, c := range costs {
				if c.Contender == k.name && c.Clients == clients {
					t.rows = append(t.rows, costCells(c))
				}
			}
		}
	}
	if len(t.rows) == 0 {
		return ""
	}
	notes := []string{
		fmt.Sprintf("median of three hosts, over %g s. CPU: of the manager and all its children; memory: without check scripts. "+
			"Packets: Ethernet frames of UDP and TCP port 7946, of VRRP, and all ARP.", costs[0].Seconds),
	}
	return t.String() + "\n" + bullets(append(notes, cheaper(costs)...))
}

func costCells(c cost) []string {
	one := func(of func(share) float64) string { return fmt.Sprintf("%.1f", c.median(of)) }
	return []string{
		c.situation(), c.Contender,
		one(func(s share) float64 { return s.CPU }), fmt.Sprintf("%.2f", c.core()), one(func(s share) float64 { return s.Scripts }),
		one(func(s share) float64 { return s.RSS }), one(func(s share) float64 { return s.PSS }),
		one(func(s share) float64 { return s.Sent.Packets }), one(func(s share) float64 { return s.Sent.Bytes }),
		one(func(s share) float64 { return s.Received.Packets }), one(func(s share) float64 { return s.Received.Bytes }),
	}
}

// cheaper says in words where keepalived costs less than memvip's defaults.
func cheaper(costs []cost) []string {
	var lines []string
	for _, own := range costs {
		for _, rival := range costs {
			if own.Contender != nameMemvip || oursNamed(rival.Contender) || own.Clients != rival.Clients {
				continue
			}
			if words := own.dearerThan(rival); words != "" {
				lines = append(lines, fmt.Sprintf("%s is ahead of %s, %s: %s", rival.Contender, own.Contender, own.situation(), words))
			}
		}
	}
	return lines
}

func (c cost) dearerThan(rival cost) string {
	words := ""
	for _, m := range []struct {
		name string
		of   func(share) float64
	}{
		{"CPU", func(s share) float64 { return s.CPU }},
		{"resident memory", func(s share) float64 { return s.RSS }},
		{"packets sent", func(s share) float64 { return s.Sent.Packets }},
		{"bytes sent", func(s share) float64 { return s.Sent.Bytes }},
	} {
		own, other := c.median(m.of), rival.median(m.of)
		if own <= other {
			continue
		}
		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("%s %.1f, not %.1f", m.name, other, own)
	}
	return words
}

// renderBurns is the table of false failovers.
func renderBurns(all []strain) string {
	t := table{head: []string{"contender", "in", "false moves, ARP", "host flips, open loop", "longest gap, ms", "longest stall, ms", "two hosts by ARP, ms", "stale reads", "operations", "failed"}, left: 1}
	for _, s := range all {
		t.add(s.Contender, minutes(s.Seconds), strconv.Itoa(s.Moves), strconv.Itoa(s.Flips), figure(s.Gap), figure(s.Stall), figure(s.Doubled),
			strconv.Itoa(s.Stale), strconv.Itoa(s.Operations), strconv.Itoa(s.Failed))
	}
	return t.ifAny()
}
