package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"memvip/agent/layout"
)

// vipStory writes why a VIP is where it is.
func (p *page) vipStory(e Explanation) {
	s := *e.VIP
	p.text(placeSentence(s.VIP), placeCell(s.VIP).style)
	p.seen(e)
	if s.Why != "" {
		p.part("why", layout.Plain, s.Why+newsAge(s.VIP))
	}
	if !s.Since.IsZero() {
		p.part("since", layout.Plain, s.Since.Format(time.RFC3339))
	}
	p.part("service", layout.Plain, fmt.Sprintf("memcached at %s, home %s, failback %s%s", s.Instance, s.Home, s.Failback, onLink(s.Interface, e.Seen)))
	p.part("lease", layout.Plain, leaseTexts(s)...)
	names := make([]string, len(s.Nodes))
	for i, c := range s.Nodes {
		names[i] = c.Node
	}
	p.chances("nodes", names, s.Nodes)
	p.part("seen", layout.Plain, sightTexts(s.VIP)...)
	p.part("outage", layout.Plain, outageTexts(s, e.Bounds)...)
	more := []string{"agentctl history --vip " + s.Address}
	for _, node := range []string{s.Holder, s.Home, s.Next} {
		if line := "agentctl explain " + node; node != "" && !slices.Contains(more, line) {
			more = append(more, line)
		}
	}
	p.common(e, append(more, "agentctl doctor "+s.Home)...)
}

// placeSentence is the answer in one line.
func placeSentence(v VIP) string {
	held := ""
	if v.Held > 0 {
		held = " for " + span(v.Held)
	}
	switch v.Place {
	case PlaceHome:
		return fmt.Sprintf("%s is at home: %s serves it%s (epoch %d)", v.Address, v.Holder, held, v.Epoch)
	case PlaceAway:
		return fmt.Sprintf("%s is away from its home %s: %s serves it%s (epoch %d)", v.Address, v.Home, v.Holder, held, v.Epoch)
	case PlaceTaking:
		return fmt.Sprintf("%s is BEING TAKEN by %s (epoch %d)", v.Address, v.Holder, v.Epoch)
	case PlaceUnserved:
		return fmt.Sprintf("%s is NOT SERVED (last epoch %d)", v.Address, v.Epoch)
	case PlaceUnknown:
		return fmt.Sprintf("%s: it is UNKNOWN from here who serves it (last heard of epoch %d)", v.Address, v.Epoch)
	}
	return v.Address + ": " + string(v.Place)
}

// newsAge says how old the news behind a reason is, where that matters and the reason does not say it.
func newsAge(v VIP) string {
	if v.WhyAge < 1000 || v.WhyCode == WhyHomeSilent {
		return ""
	}
	return " (by news from " + span(v.WhyAge) + " ago)"
}

func onLink(link, node string) string {
	if link == "" {
		return ""
	}
	return fmt.Sprintf(", interface %s on %s", link, node)
}

// leaseTexts says what the holder holds it by, by its own word.
func leaseTexts(s VIPStory) []string {
	switch l := s.Lease; {
	case s.Holder == "":
		return []string{"nobody has one, as far as is known"}
	case l == nil && s.LeaseTrouble != "":
		return []string{"not known: " + s.LeaseTrouble}
	case l == nil:
		return []string{"not known"}
	default:
		return []string{
			fmt.Sprintf("%s, %d ms left unless it is renewed, says %s", l.Term, l.Left, s.Holder),
			"granted by " + nobodyOr(l.GrantedBy) + "; recorded by " + nobodyOr(l.Confirmed),
		}
	}
}

func nobodyOr(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return list(names)
}

// sightTexts says who answers for the address, as the nodes that were asked see it.
func sightTexts(v VIP) []string {
	var agree, mute, rest []string
	for _, s := range v.Sights {
		switch {
		case s.Agrees:
			agree = append(agree, s.Node)
		case s.Trouble != "":
			rest = append(rest, s.Node+" could not look: "+s.Trouble)
		case !s.Asked:
			mute = append(mute, s.Node)
		case len(s.MACs) == 0:
			rest = append(rest, s.Node+" asked on its link, and nobody answered")
		default:
			rest = append(rest, s.Node+" is answered by "+strings.Join(s.MACs, ", "))
		}
		if s.Holder != v.Holder {
			rest = append(rest, s.Node+" has heard that "+nobodyOr(slices.DeleteFunc([]string{s.Holder}, func(h string) bool { return h == "" }))+" holds it")
		}
	}
	var texts []string
	if len(agree) > 0 {
		texts = append(texts, "with "+v.Holder+" and nobody else: by "+list(agree))
	}
	if len(mute) > 0 {
		texts = append(texts, list(mute)+" did not look: it is IPv6, there is no interface for it, or five others were to ask")
	}
	if texts = append(texts, rest...); len(texts) == 0 {
		texts = []string{"no node was asked who answers for it"}
	}
	return texts
}

// outageTexts says how long clients go without it, should its holder fail now.
func outageTexts(s VIPStory, b Outages) []string {
	atMost := "at most"
	var first string
	switch {
	case s.Holder == "" && s.Next == "":
		return []string{"it lasts until a node can take it: see the nodes above"}
	case s.Holder == "":
		return []string{s.Next + " may take it at any moment"}
	case s.Next == "":
		first = "no other node could take it now: if " + s.Holder + " fails, it is not served until one can"
		atMost = "with a clean node at most"
	default:
		first = "if " + s.Holder + " fails now, " + s.Next + " takes it over"
	}
	if b == (Outages{}) {
		return []string{first, "how long that takes was not told: the agent is older than agentctl"}
	}
	return []string{
		first,
		fmt.Sprintf("%s %d ms after its host is lost, %d ms after memcached hangs, %d ms after it exits and the kernel says so, %d ms if it is planned",
			atMost, b.HostLost, b.Hung, b.Exited, b.Planned),
		fmt.Sprintf("reckoned for a lease of %d ms, round trips up to %d ms, and one failure at a time", b.Lease, b.RoundTrip),
	}
}
