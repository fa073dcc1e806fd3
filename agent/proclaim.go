package agent

import (
	"strings"

	"memvip/agent/control"
)

// proclaim tells the service manager of this node until it ends: first when the loop has answered once, which it does
// only after it has taken up what an earlier life left.
func (a *agent) proclaim() {
	a.herald.Follow(a.ctx, func() (string, error) {
		a.disk.glance() // for the next time
		report, err := a.report(a.ctx, nil, nil)
		if err != nil {
			return "", err
		}
		return statusText(report), nil
	})
}

// statusText is a report in the one line that systemctl status has room for: what this node serves, then how all is.
func statusText(r control.Report) string {
	serves := "serves nothing"
	if n := len(r.Addresses); n > 0 {
		list := make([]string, 0, n)
		for _, a := range r.Addresses {
			address, _, _ := strings.Cut(a.Prefix, "/")
			list = append(list, address)
		}
		serves = "serves " + strings.Join(list, ", ")
	}
	return serves + "; " + r.VerdictText
}
