package main

import (
	"testing"

	"memvip/agent/control"
	"memvip/agent/core"
)

const agentLog = `time="2026-11-21T02:31:43.285Z" level=info msg="memcached changed" cause=done from=unknown instance="127.0.0.1:11211" to=up
time="2026-11-21T02:31:43.285Z" level=info msg="memcached changed" cause=restart from=tainted instance="127.0.0.1:11211" to=clean vip=10.77.0.101
time="2026-11-21T02:31:43.286Z" level=info msg="memcached changed" cause=restart from=tainted instance="127.0.0.1:11211" to=clean vip=10.77.0.102
time="2026-11-21T02:31:48.563Z" level=info msg="role changed" cause=hint from=idle since_ms=4221477 to=candidate vip=10.77.0.102
time="2026-11-21T02:31:49.563Z" level=info msg="memcached changed" cause=tainted from=clean to=tainted vip=10.77.0.102
time="2026-11-21T02:31:52.563Z" level=info msg="memcached changed" cause=proof from=tainted to=clean vip=10.77.0.102
`

func TestProofIn(t *testing.T) {
	for _, c := range []struct {
		log, vip string
		want     core.Cause
	}{
		{agentLog, "10.77.0.101", core.CauseRestart},
		{agentLog, "10.77.0.102", core.CauseProof},
		{agentLog, "10.77.0.10", ""},
		{agentLog[:len(agentLog)-60], "10.77.0.102", core.CauseRestart},
		{"", "10.77.0.101", ""},
	} {
		if got := proofIn(c.log, c.vip); got != c.want {
			t.Errorf("%s: got %q, want %q", c.vip, got, c.want)
		}
	}
}

func TestLogFields(t *testing.T) {
	f := logFields(`time="2026-11-21T02:31:43.285Z" msg="to=clean vip=x" from=tainted  instance="127.0.0.1:11211" to=clean` + "\n")
	for key, want := range map[string]string{"msg": "to=clean vip=x", "from": "tainted", "instance": "127.0.0.1:11211", "to": "clean", "vip": ""} {
		if f[key] != want {
			t.Errorf("%s: got %q, want %q", key, f[key], want)
		}
	}
	for _, odd := range []string{"", "\n", "panic: no fields here", `msg="without an end`, "=", "a="} {
		if f := logFields(odd); len(f) > 1 {
			t.Errorf("%q: got %v", odd, f)
		}
	}
}

// The countdown of a delay is one piece of news, not one at every look.
func TestWithoutFigures(t *testing.T) {
	a, b := "waiting for failback_delay, 4.9 s left", "waiting for failback_delay, <0.1 s left"
	if withoutFigures(a) != withoutFigures(b) {
		t.Errorf("%q and %q differ", withoutFigures(a), withoutFigures(b))
	}
	if withoutFigures("flush pending") == withoutFigures("hand-back asked") {
		t.Error("different news look the same")
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		why  string
		want bool
	}{
		{"cache2 is up, but its memcached is not proved clean yet: flush_all is sent, the proof is awaited; cache1 keeps it until the flush is proved", true},
		{"cache1 refuses to hand it back: cache1 keeps it until the flush is proved", true},
		{"cache2 is up, but its memcached is not proved clean yet: waiting for 2 s without traffic", false},
		{"waiting for failback_delay, 2.7 s left", false},
	} {
		if got := refused(control.VIP{Why: c.why}); got != c.want {
			t.Errorf("%q: got %t", c.why, got)
		}
	}
}
