package control

import (
	"fmt"
	"strings"
	"time"

	"memvip/agent/core"
	"memvip/agent/layout"
)

// WhyCode says why a VIP is where it is. The set is closed: the constants here, "home_" with a
// core.Standing, "coming_" with a core.Homecoming, and "refused_" with a core.AskRefusal.
type WhyCode string

// The codes that are not made of one of the core's.
const (
	WhyAtHome         WhyCode = "at_home"
	WhyHomeNeverHeard WhyCode = "home_never_heard" // since the reporting agent's start
	WhyHomeSilent     WhyCode = "home_silent"
	WhyBeingTaken     WhyCode = "being_taken" // won; the address is on its way
	WhyNobodyMay      WhyCode = "nobody_may"  // every node has its reason
	WhyNobodyYet      WhyCode = "nobody_yet"  // a node may take it, and has not done so yet
	WhyNoMajority     WhyCode = "no_majority" // the reporting node cannot know
)

// why is the answer to one VIP's question.
type why struct {
	code  WhyCode
	short string
	text  string
	age   time.Duration // of the news that it rests on
}

func whyStanding(s core.Standing) WhyCode  { return WhyCode("home_" + s.String()) }
func whyComing(c core.Homecoming) WhyCode  { return WhyCode("coming_" + c.String()) }
func whyRefused(r core.AskRefusal) WhyCode { return WhyCode("refused_" + r.String()) }

// place says where a VIP is.
func (w view) place(v core.VIPStatus) Place {
	switch {
	case v.Holder != "" && v.Holding && v.Holder == v.Home:
		return PlaceHome
	case v.Holder != "" && v.Holding:
		return PlaceAway
	case v.Holder != "":
		return PlaceTaking
	case !w.Quorate:
		return PlaceUnknown
	}
	return PlaceUnserved
}

// why explains a VIP's place.
func (w view) why(v core.VIPStatus) why {
	switch w.place(v) {
	case PlaceHome:
		return why{code: WhyAtHome}
	case PlaceAway:
		return w.whyAway(v)
	case PlaceTaking:
		n := w.node(v.Holder)
		return why{WhyBeingTaken, "", v.Holder + " has won it and is about to take it", n.Ago}
	case PlaceUnserved:
		return w.whyNobody(v)
	case PlaceUnknown:
		return w.whyUnknown(v)
	}
	return why{}
}

// whyAway says what the home of a VIP waits for, by its own latest word.
func (w view) whyAway(v core.VIPStatus) why {
	home := w.node(v.Home)
	switch {
	case !home.Heard && !w.self(v.Home):
		return why{WhyHomeNeverHeard, "home never heard", "its home " + v.Home + " has not been heard since this agent started", 0}
	case w.silent(home):
		return why{WhyHomeSilent, "home silent", fmt.Sprintf("its home %s has not been heard for %s", v.Home, layout.Span(home.Ago)), home.Ago}
	case v.HomeState.Standing != core.Eligible && (v.HomeState.Coming == core.AwayIneligible || v.HomeState.Coming == core.NotAway):
		p := w.standing(home, v.HomeState)
		return why{whyStanding(v.HomeState.Standing), p.short, p.long, home.Ago}
	}
	return w.whyWaiting(v, home)
}

// whyWaiting says what an able home waits for.
func (w view) whyWaiting(v core.VIPStatus, home core.NodeStatus) why {
	s := v.HomeState
	p := homecomingWords(s.Coming, v.Home, v.Holder)
	out := why{whyComing(s.Coming), p.short, p.long, home.Ago}
	switch s.Coming {
	case core.AwayTainted:
		out.text += ": " + w.taint(home, v.Name)
		if s.Refused == core.AskNoProof {
			out.text += "; " + askWords(s.Refused, v.Home, v.Holder)
		}
	case core.AwayDelay:
		left := max(0, s.Wait-home.Ago)
		out.short += ", " + layout.Span(left)
		if s.Losses > 1 {
			out.text += fmt.Sprintf(", which doubles with every loss: %s lost it %d times within the last hour", v.Home, s.Losses)
		}
		out.text += ", " + layout.Span(left) + " left"
	case core.AwayRefused:
		out.code = whyRefused(s.Refused)
		if words := askWords(s.Refused, v.Home, v.Holder); words != "" {
			out.text += ": " + words
		}
	default: // the code says it all
	}
	return out
}

// whyNobody goes through the nodes and asks each why it does not take a VIP that nobody holds.
func (w view) whyNobody(v core.VIPStatus) why {
	out := why{code: WhyNobodyMay}
	var reasons []string
	for _, n := range w.Nodes {
		text, able := w.obstacle(n, v.Name)
		if text == "" {
			continue
		}
		if able {
			out.code = WhyNobodyYet
		}
		reasons = append(reasons, text)
		if !w.silent(n) { // or else its age is in the text
			out.age = max(out.age, n.Ago)
		}
	}
	if len(reasons) == 0 {
		reasons = []string{"no node is known that may take it"}
	}
	out.text = strings.Join(reasons, "; ")
	return out
}

// obstacle says why a node does not hold a VIP that nobody holds; able if nothing stands in its way.
// "" if it is never to hold it.
func (w view) obstacle(n core.NodeStatus, name core.Name) (text string, able bool) {
	v, told := part(n, name)
	switch {
	case !n.Heard && !w.self(n.Name):
		return n.Name + " has never been heard", false
	case n.State.Witness || v.Standing == core.Excluded || v.Standing == core.NoInstance:
		return "", false
	case w.silent(n):
		return fmt.Sprintf("%s has not been heard for %s", n.Name, layout.Span(n.Ago)), false
	case !told:
		return n.Name + " does not know it: the configurations differ", false
	case v.Role == core.Candidate:
		return n.Name + " is claiming it", true
	case v.Role == core.Dropping:
		return n.Name + " is giving it up", false
	case v.Role != core.Idle:
		return n.Name + " is taking it", true
	case v.Standing != core.Eligible:
		return w.standing(n, v).long, false
	}
	switch w.cache(n, v) {
	case CacheTainted:
		return "memcached on " + n.Name + " may hold old values: " + w.taint(n, name), false
	case CacheUnknown:
		return "memcached on " + n.Name + " has not been probed yet", false
	case CacheNone, CacheServing, CacheClean, CacheWarm:
	}
	return n.Name + " may take it and has not done so yet", true
}

// whyUnknown says what is left to a node that hears no majority: the others' last words.
func (w view) whyUnknown(v core.VIPStatus) why {
	out := why{code: WhyNoMajority, short: "no majority", text: w.Node + " hears no majority of the voters and cannot know the holder"}
	for _, n := range w.Nodes {
		if s, ok := part(n, v.Name); ok && s.Role == core.Holding && !w.self(n.Name) {
			out.text += fmt.Sprintf("; the last that was heard of is %s, %s ago", n.Name, layout.Span(n.Ago))
			out.age = max(out.age, n.Ago)
		}
	}
	return out
}
