package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/integration/lab"
)

// homecoming is a VIP on its way home, watched from the host that stands in for it.
type homecoming struct {
	vip     lab.VIP
	standIn *lab.Host
	since   lab.Instant // when the home came back
	logged  int         // length of the home's log then

	told   string     // the last news, without its figures
	proof  core.Cause // why the home's cache counts as clean; "" if it does not yet
	refuse func() error
}

// follow tells all that the stand-in's agent says of the VIP, whenever that changes, until it is home, and
// for what reason the home's memcached counted as clean. refused, if not nil, is called once, when the stand-in
// refuses the hand-back for want of proof.
func (s *stage) follow(ctx context.Context, h *homecoming) error {
	ctx, cancel := context.WithTimeout(ctx, homeBound)
	defer cancel()
	err := every(ctx, lookEvery, func() (bool, error) {
		s.tellProof(h)
		r, err := s.report(ctx, h.standIn)
		if err != nil {
			return false, err
		}
		v, ok := vipOf(r, h.vip)
		if !ok {
			return false, fmt.Errorf("%s does not know %s", h.standIn.Name, h.vip.Addr)
		}
		host, _, _ := s.client.Last(h.vip.Addr)
		if v.AtHome && host == h.vip.Home.Name {
			s.out.news(lab.Now().Sub(h.since), "%s is served by %s again", h.vip.Addr, host)
			return true, nil
		}
		return false, s.tellWhy(h, v)
	})
	if errors.Is(err, lab.ErrNotInTime) {
		err = fmt.Errorf("%s is not home again: %w; %s", h.vip.Addr, err, h.told)
	}
	return err
}

// tellProof looks for the line in which the home's agent says why its memcached is clean.
func (s *stage) tellProof(h *homecoming) {
	if h.proof != "" {
		return
	}
	log := h.vip.Home.Agent().Log()
	if h.proof = proofIn(log[min(h.logged, len(log)):], h.vip.Addr.String()); h.proof != "" {
		s.out.news(lab.Now().Sub(h.since), "log of %s: memcached changed from tainted to clean, cause=%s", h.vip.Home.Name, h.proof)
	}
}

// tellWhy says why the VIP is not at home, unless that was said before.
func (s *stage) tellWhy(h *homecoming, v control.VIP) error {
	if gist := withoutFigures(v.Why); gist != h.told && v.Why != "" {
		h.told = gist
		s.out.news(lab.Now().Sub(h.since), "agentctl on %s: %s", h.standIn.Name, v.Why)
	}
	if h.refuse == nil || !refused(v) {
		return nil
	}
	show := h.refuse
	h.refuse = nil
	return show()
}

// refused reports whether the stand-in has refused to hand the VIP back for want of proof. While the home
// goes on with its flush, that is a part of the sentence only.
func refused(v control.VIP) bool {
	return strings.Contains(v.Why, "keeps it until the flush is proved")
}

func vipOf(r control.Report, vip lab.VIP) (control.VIP, bool) {
	for _, v := range r.VIPs {
		if v.Address == vip.Addr.String() {
			return v, true
		}
	}
	return control.VIP{}, false
}

// withoutFigures is a sentence without what merely counts down in it.
func withoutFigures(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) || r == '<' {
			return -1
		}
		return r
	}, text)
}

// proofIn returns the cause in the newest line of an agent's log that calls memcached clean for a VIP, or "".
func proofIn(log, vip string) core.Cause {
	var cause core.Cause
	for line := range strings.Lines(log) {
		if f := logFields(line); f["to"] == "clean" && f["vip"] == vip {
			cause = core.Cause(f["cause"])
		}
	}
	return cause
}

// logFields takes a line of key=value pairs apart. Values with blanks are quoted.
func logFields(line string) map[string]string {
	fields := map[string]string{}
	for {
		key, rest, ok := strings.Cut(strings.TrimLeft(line, " "), "=")
		if !ok {
			return fields
		}
		end := " "
		if strings.HasPrefix(rest, `"`) {
			rest, end = rest[1:], `"`
		}
		fields[key], line, _ = strings.Cut(strings.TrimRight(rest, "\n"), end)
	}
}
