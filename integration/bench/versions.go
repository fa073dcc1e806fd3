package main

import (
	"context"

	"memvip/integration/bench/machine"
	"memvip/integration/lab"
)

// noteSite says what only hosts that are up can tell.
func (v *versions) noteSite(k kind, s *site) {
	if !s.contender.ours() {
		return
	}
	v.Realtime = s.lab.Realtime()
	switch k {
	case withConnector:
		v.Detector = s.detector
	case withoutConnector:
		v.Fallback = s.detector
	}
}

// versions are what ran, and how the agents noticed a death.
type versions struct {
	Agent      string `json:"agent"`
	Memcached  string `json:"memcached"`
	Keepalived string `json:"keepalived,omitempty"` // "" if it took no part
	Realtime   bool   `json:"realtime"`             // the agents ran in the scheduling class of their unit
	Detector   string `json:"detector"`             // of most runs; "" if there were none
	Fallback   string `json:"fallback_detector"`    // of the agents that were denied the process connector; "" if none were
}

// installed asks the programs for their versions.
func installed(ctx context.Context, set settings) (versions, error) {
	var v versions
	var err error
	if v.Agent, err = machine.Version(ctx, set.agentPath(), "version"); err != nil {
		return v, err
	}
	if v.Memcached, err = machine.Version(ctx, "memcached", "-V"); err != nil {
		return v, err
	}
	if set.theirs() {
		v.Keepalived, err = lab.KeepalivedVersion()
	}
	return v, err
}
