package agent

import (
	"testing"

	"memvip/agent/control"
)

func TestStatusText(t *testing.T) {
	for _, c := range []struct {
		prefixes []string
		want     string
	}{
		{nil, "serves nothing; all well"},
		{[]string{"10.0.0.101/32", "2001:db8::1/128"}, "serves 10.0.0.101, 2001:db8::1; all well"},
	} {
		r := control.Report{VerdictText: "all well"}
		for _, p := range c.prefixes {
			r.Addresses = append(r.Addresses, control.Address{Prefix: p})
		}
		if got := statusText(r); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
