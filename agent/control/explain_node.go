package control

import (
	"fmt"

	"memvip/agent/layout"
)

// nodeStory writes what becomes of a node.
func (p *page) nodeStory(e Explanation) {
	s := *e.Node
	sentence, style := nodeSentence(s)
	p.text(sentence, style)
	p.seen(e)
	if s.Heard || s.Self {
		texts := instanceTexts(s.Node)
		if s.Silent {
			texts = append(texts, "so it said "+span(s.HeardAge)+" ago")
		}
		p.part("memcached", layout.Plain, texts...)
	}
	names := make([]string, len(s.Chances))
	for i, c := range s.Chances {
		if names[i] = c.VIP; c.Home {
			names[i] += " (its home):"
		} else {
			names[i] += ":"
		}
	}
	p.chances("VIPs", names, s.Chances)
	p.part("heard", layout.Plain, hearTexts(s)...)
	p.part("flags", layout.Plain, orElse(flagsCell(s.Node, false).text, "none"))
	if s.Heard || s.Self {
		p.part("agent", layout.Plain, agentTexts(s)...)
	}
	more := []string{"agentctl history --node " + s.Name}
	for _, c := range s.Chances {
		if c.Home && !c.Holds || !c.Home && c.Holds {
			more = append(more, "agentctl explain "+c.VIP)
		}
	}
	p.common(e, append(more, "agentctl doctor "+s.Name)...)
}

// nodeSentence is the answer in one line.
func nodeSentence(s OfNode) (string, layout.Style) {
	what := s.Name + " holds no VIP"
	if len(s.Holds) > 0 {
		what = s.Name + " holds " + list(s.Holds)
	}
	switch {
	case !s.Heard && !s.Self:
		return s.Name + " has never been heard", layout.Bad
	case s.Silent:
		return fmt.Sprintf("%s is SILENT: it has not been heard for %s", s.Name, span(s.HeardAge)), layout.Bad
	case !s.Quorate:
		return what + ", and hears no majority of the voters", layout.Bad
	case s.Witness:
		return what + ": it is a witness", layout.Plain
	}
	return what, layout.Good
}

func instanceTexts(n Node) []string {
	if len(n.Instances) == 0 {
		return []string{"none"}
	}
	return each(n.Instances, func(in Instance) string {
		text := in.Address + " " + instanceCell(in).text
		if in.PID > 0 {
			text += fmt.Sprintf(", process %d", in.PID)
		}
		if in.Flush != "" {
			text += "; flush: " + in.Flush
		}
		return text
	})
}

// hearTexts says who hears the node, by the word of those that answered.
func hearTexts(s OfNode) []string {
	var yes, no []string
	for _, h := range s.HeardBy {
		if h.Hears {
			yes = append(yes, fmt.Sprintf("%s (%s ago)", h.Node, span(h.Age)))
		} else {
			no = append(no, h.Node)
		}
	}
	var texts []string
	if len(yes) > 0 {
		texts = append(texts, "by "+list(yes))
	}
	if len(no) > 0 {
		texts = append(texts, "not by "+list(no))
	}
	if len(texts) == 0 {
		texts = []string{"no other node says whether it hears it"}
	}
	return texts
}

func agentTexts(s OfNode) []string {
	config := "configuration " + orElse(s.Config, "not told")
	if s.Config != "" && !s.Alike {
		config += ", ANOTHER than here"
	}
	texts := []string{fmt.Sprintf("%s, %s, voter list %s", orElse(s.Build, "version not told"), config, orElse(s.VoterList, "not told"))}
	texts = append(texts, fmt.Sprintf("fence: %s; memcached's end is noticed by: %s", orElse(s.Fence, "not told"), orElse(s.Detector, "not told")))
	if s.DiskError != "" {
		texts = append(texts, "cannot write its state file: "+s.DiskError)
	}
	return texts
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
