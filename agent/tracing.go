package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/trace"
	"memvip/configs"
	"memvip/health"
	"memvip/vip"
)

// What a change of hands took, step by step: the loop, the workers of addresses and the probers tell the recorder.

// openRecorder has it know every VIP: a node that never serves one may vote on it.
func (a *agent) openRecorder() error {
	id, err := os.ReadFile(bootIDPath)
	if err != nil {
		return fmt.Errorf("identify this host's clock: %w", err)
	}
	o := trace.Options{Node: a.self.Name, Clock: boottime, Name: strings.TrimSpace(string(id)), VIPs: map[core.Name]string{}}
	serves := a.config.Eligible(a.self.Name)
	for _, v := range a.config.VIPs {
		o.VIPs[nameOf(v)] = ""
		if slices.ContainsFunc(serves, func(s configs.VIP) bool { return s.Prefix == v.Prefix }) {
			o.VIPs[nameOf(v)] = v.Instance.String()
		}
	}
	a.recorder = trace.New(o)
	return nil
}

// tracedDown takes a prober's report that an instance is down. The kernel says when a process ended.
func (a *agent) tracedDown(instance string, r health.Report) {
	var failed core.Instant
	if r.Reason == health.ReasonExited {
		failed = boottime().Add(-time.Since(r.At))
	}
	a.recorder.InstanceDown(instance, failed)
}

// tracedSteps says what the steps of the package vip are called in a trace.
var tracedSteps = map[vip.Step]trace.Step{
	vip.StepTaking: trace.Taking, vip.StepOpened: trace.Opened, vip.StepAdded: trace.Added, vip.StepAnnounced: trace.Announced,
	vip.StepDropping: trace.Dropping, vip.StepListed: trace.Listed, vip.StepShut: trace.Shut, vip.StepReset: trace.Reset,
	vip.StepRemoved: trace.Removed, vip.StepSwept: trace.Swept, vip.StepClosed: trace.Closed,
}

// tracedAddress takes a step of an address's worker.
func (a *agent) tracedAddress(place vip.Address, s vip.Step) {
	a.recorder.Address(core.Name(place.Prefix.Addr().String()), tracedSteps[s])
}

// answerTrace says what this node remembers of a VIP's changes of hands.
func (a *agent) answerTrace(r control.Request) control.Response {
	return control.Reply(a.recorder.Journal(core.Name(r.VIP)))
}
