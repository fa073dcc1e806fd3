package main

import (
	"fmt"
	"slices"
	"strings"
)

// render is the report, in Markdown.
func render(r record) string {
	var b strings.Builder
	b.WriteString("## What a node and a failure cost as the cluster grows\n\n")
	if len(r.Real)+len(r.Simulated) == 0 {
		b.WriteString("Nothing was measured yet.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "Machine: %s. Agent %s, memcached %s. Three nodes vote; as many VIPs as nodes, one memcached per node for all of them.\n", r.Machine, r.Build, r.Memcached)
	if len(r.Real) > 0 {
		b.WriteString("\n### Real agents in network namespaces of one machine\n\n" + renderReal(r.Real))
	}
	if len(r.Simulated) > 0 {
		b.WriteString("\n### Simulated clusters\n\n" + renderSimulated(r.Simulated))
		b.WriteString("\n" + renderAims(r.Simulated) + renderAll(r.Real))
	}
	b.WriteString("\n" + repeat(r))
	return b.String()
}

// repeat says which commands measure this again, and which writes it again. Sizes whose nodes told each other no states are
// simulated by a call of their own.
func repeat(r record) string {
	var real, loud, quiet []string
	for _, row := range r.Real {
		real = append(real, fmt.Sprint(row.Nodes))
	}
	for _, row := range r.Simulated {
		if row.Quiet {
			quiet = append(quiet, fmt.Sprint(row.Nodes))
		} else {
			loud = append(loud, fmt.Sprint(row.Nodes))
		}
	}
	text := fmt.Sprintf("Repeat, as root on a quiet machine: `make bench-size BENCH='-real=%s -sim=%s'`", strings.Join(real, ","), strings.Join(loud, ","))
	if len(quiet) > 0 {
		text += fmt.Sprintf(", and then `make bench-size BENCH='-real= -sim=%s -quiet'`", strings.Join(quiet, ","))
	}
	return text + ". It goes on where it was stopped. To write this section from its figures: `make bench-size BENCH='-report -data integration/bench/measured/size.json'`.\n"
}

// table writes a heading and lines whose first column is text.
func table(heading []string, lines [][]string) string {
	var b strings.Builder
	b.WriteString("| " + strings.Join(heading, " | ") + " |\n| ---: |" + strings.Repeat(" ---: |", len(heading)-1) + "\n")
	for _, l := range lines {
		b.WriteString("| " + strings.Join(l, " | ") + " |\n")
	}
	return b.String()
}

func renderReal(rows []realRow) string {
	var costs, failures [][]string
	for _, r := range rows {
		for _, kind := range []struct {
			name string
			cost
		}{{"voter", r.Voters}, {"other", r.Others}} {
			if kind.Nodes == 0 {
				continue
			}
			costs = append(costs, []string{
				fmt.Sprint(r.Nodes), kind.name, percent(kind.CPU), percent(kind.CPUMost), mebi(kind.Resident), figure(kind.Sent.Packets),
				figure(kind.Received.Packets), kilo(kind.Sent.Bytes), kilo(kind.Received.Bytes),
			})
		}
		failures = append(failures, []string{
			fmt.Sprint(r.Nodes), seconds(r.Formed), seconds(r.Started), times(took(r.Exits)), times(took(r.Cuts)), rackText(r.Rack), fmt.Sprintf("%.1f", r.Load),
		})
	}
	return "Nothing happens; of one node, on average:\n\n" +
		table([]string{"nodes", "kind", "CPU, % of a core", "most", "resident MiB", "packets/s sent", "received", "kB/s sent", "received"}, costs) +
		"\nSomething happens; milliseconds until a VIP's first gratuitous ARP elsewhere, median and longest (of how many):\n\n" +
		table([]string{"nodes", "fresh start, s", "of it to start agents", "memcached killed", "host cut off", "a tenth cut off", "load average"}, failures) +
		"\nAgents are scheduled " + scheduled(rows) + ". Configuration: the defaults but for failback_delay. Packets are those of agents, ARP included.\n"
}

func scheduled(rows []realRow) string {
	var ways []string
	for _, r := range rows {
		ways = append(ways, r.Scheduled)
	}
	slices.Sort(ways)
	return strings.Join(slices.Compact(ways), ", or ")
}

func renderSimulated(rows []simRow) string {
	var costs, failures [][]string
	quiet, unsendable := false, ""
	for _, r := range rows {
		for _, kind := range []struct {
			name string
			simCost
		}{{"voter", r.Voters}, {"other", r.Others}} {
			if kind.Nodes == 0 {
				continue
			}
			states := figure(kind.StateSent + kind.StateReceived)
			if r.Quiet {
				states = "-"
			}
			costs = append(costs, []string{
				fmt.Sprint(r.Nodes), kind.name, figure(kind.LeaseSent), figure(kind.LeaseReceived), states, kilo(kind.LeaseBytes),
				figure(kind.Steps), figure(kind.StepMicros), percent(kind.Busy), percent(kind.CodecBusy),
			})
		}
		failures = append(failures, []string{
			fmt.Sprint(r.Nodes), seconds(r.Formed), times(r.Exits), times(r.Deaths), rackText(r.Rack), figure(float64(r.RackStep)),
			fmt.Sprintf("%.2f", float64(r.HeapPerNode)/(1<<20)), bearsText(r), figure(r.Took),
		})
		quiet = quiet || r.Quiet
		if r.Unsendable != "" {
			unsendable += fmt.Sprintf("With %d nodes and VIPs gossip could not write what they say: %s.\n", r.Nodes, r.Unsendable)
		}
	}
	text := "Nothing happens; of one node, on average:\n\n" +
		table([]string{"nodes", "kind", "lease packets/s sent", "received", "states/s, both ways", "lease kB/s, both ways", "steps/s", "us/step", "steps, % of a core", "codec, % of a core"}, costs) +
		"\nSomething happens; simulated milliseconds until a VIP is up elsewhere, median and longest (of how many):\n\n" +
		table([]string{"nodes", "fresh start, s", "memcached exits", "host dies", "a tenth dies", "a voter's CPU for that, ms", "heap/node, MiB", "forms with up to ms/event", "all of this took, s"}, failures) +
		"\nEvery event takes an agent 20 us of simulated time, but for the column that tells how slow agents may be for a fresh start to come about within 10 s. " +
		"What steps and codec took of a processor of this machine is counted beside. " +
		"Agents refuse more than 250 nodes and VIPs: what is beyond shows how the state machine grows.\n"
	if quiet {
		text += "Where no states are counted nodes told each other theirs in claims only.\n"
	}
	return text + unsendable
}

// Aims of growth.
const (
	packetsAim  = 1.1 // times the packets of a node without a vote, from 10 nodes on
	failoverAim = 1.5 // times the failover time of three nodes
)

// renderAims says which aims are met, as far as the sizes tell.
func renderAims(rows []simRow) string {
	var b strings.Builder
	least, most, from, to := 0.0, 0.0, 0, 0
	quiet := slices.ContainsFunc(rows, func(r simRow) bool { return r.Quiet })
	for _, r := range rows {
		if r.Nodes < 10 || r.Others.Nodes == 0 {
			continue
		}
		x := r.Others.LeaseSent + r.Others.LeaseReceived
		if !quiet {
			x += r.Others.StateSent + r.Others.StateReceived
		}
		if from == 0 {
			least, from = x, r.Nodes
		}
		least, most, to = min(least, x), max(most, x), r.Nodes
	}
	if to > from {
		fmt.Fprintf(&b, "- %s per second of a node without a vote, from %d to %d nodes: %s to %s, aim: constant: %s\n",
			map[bool]string{false: "packets", true: "packets for leases alone"}[quiet], from, to, figure(least), figure(most), verdict(most <= packetsAim*least))
	}
	if first, last := rows[0], rows[len(rows)-1]; first.Nodes == 3 && last.Nodes > 3 {
		for _, x := range []struct {
			what         string
			first, later []millis
		}{{"a memcached's exit", first.Exits, last.Exits}, {"a host's death", first.Deaths, last.Deaths}} {
			ratio := float64(median(x.later)) / float64(max(median(x.first), 0.001))
			fmt.Fprintf(&b, "- failover after %s, %d nodes to 3: %.2f, aim: at most %.1f: %s\n", x.what, last.Nodes, ratio, failoverAim, verdict(ratio <= failoverAim))
		}
	}
	return b.String()
}

// renderAll says what real nodes without a vote send and receive in all, of which the simulated count a part.
func renderAll(rows []realRow) string {
	var sizes []string
	for _, r := range rows {
		if r.Others.Nodes > 0 {
			sizes = append(sizes, fmt.Sprintf("%s at %d nodes", figure(r.Others.Sent.Packets+r.Others.Received.Packets), r.Nodes))
		}
	}
	if len(sizes) == 0 {
		return ""
	}
	return "- all packets per second of a real node without a vote, states and broadcast ARP included: " + strings.Join(sizes, ", ") + "\n"
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func took(moves []move) []millis {
	var all []millis
	for _, m := range moves {
		all = append(all, m.Took)
	}
	return all
}

// times are the median and the longest of some, and how many they are.
func times(all []millis) string {
	if len(all) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s / %s (%d)", figure(float64(median(all))), figure(float64(slices.Max(all))), len(all))
}

// median of an even number is the mean of the middle two; 0 of none.
func median(all []millis) millis {
	n := len(all)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func bearsText(r simRow) string {
	if r.Nodes > bearsMax {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(r.Bears))
}

func rackText(r rack) string {
	if r.Hosts == 0 {
		return "-"
	}
	return fmt.Sprintf("%d VIPs: %s to %s, most on one host %d", r.VIPs, figure(float64(r.First)), figure(float64(r.All)), r.Most)
}

// figure shows two digits at least.
func figure(f float64) string {
	if f < 9.95 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

func percent(share float64) string { return fmt.Sprintf("%.2f", share*100) }
func mebi(bytes int) string        { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }
func kilo(bytes float64) string    { return fmt.Sprintf("%.1f", bytes/1000) }
func seconds(m millis) string      { return fmt.Sprintf("%.1f", float64(m)/1000) }
