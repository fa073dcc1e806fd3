package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"memvip/agent/control"
)

func TestAgentless(t *testing.T) {
	for _, c := range []struct {
		reason control.Reason
		want   Severity
		words  string
	}{
		{control.ReasonNoSocket, Warning, "systemctl enable --now memvip-agent"},
		{control.ReasonRefused, Failure, "systemctl restart"},
		{control.ReasonTimeout, Failure, "ps -C memvip-agent"},
		{control.ReasonDenied, Unknown, "sudo"},
		{control.ReasonNotSocket, Unknown, "systemctl status"},
		{control.ReasonBadReply, Unknown, "systemctl status"},
		{control.ReasonFailed, Unknown, "systemctl status"},
		{control.ReasonIO, Unknown, "systemctl status"},
	} {
		u := &control.Unreached{Path: "/run/memvip/agent.sock", Reason: c.reason, Detail: "so it is"}
		f := Agentless("cache1", "/etc/memvip/agent.toml", u)
		wantOnly(t, []Finding{f}, want{CheckAgent, c.want, "/run/memvip/agent.sock: so it is|as cache1 of /etc/memvip/agent.toml|" + c.words})
	}
}

func TestUnanswered(t *testing.T) {
	f := Unanswered("cache1", "cache2", "cache2 has not answered within 8s")
	wantOnly(t, []Finding{f}, want{CheckAnswers, Unknown, "cache2 has not answered|on cache2:"})
}

// TestAloneWithoutConfiguration: every mistake is a finding, and nothing else is looked at.
func TestAloneWithoutConfiguration(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(bad, []byte("[cluster]\nnme = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := Alone(t.Context(), bad, "cache1", Options{})
	if len(found) < 2 {
		t.Errorf("%d findings", len(found))
	}
	wantOnly(t, found, want{CheckConfigFile, Failure, "nme|agentctl check " + bad})
	wantOnly(t, Alone(t.Context(), bad+".no", "cache1", Options{}), want{CheckConfigFile, Failure, "no such file"})
}

func TestDiagnose(t *testing.T) {
	d := Diagnose([]Finding{{Severity: OK, What: "a"}, {Severity: Failure, What: "b"}, {Severity: Warning, What: "c"}}, true)
	if d.Severity != Failure || !d.Alone || d.Findings[0].What != "b" || d.Findings[2].What != "a" {
		t.Errorf("%+v", d)
	}
	if d := Diagnose(nil, false); d.Severity != OK || d.Findings == nil {
		t.Errorf("of nothing: %+v", d)
	}
}
