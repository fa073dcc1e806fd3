package control

import (
	"fmt"
	"strings"

	"memvip/agent/core"
	"memvip/health"
)

// What to do about a memcached, by the reason that its node tells.

// downWord tells a process that is gone from one that does not do its work.
func downWord(reason string) string {
	if hangs(reason) {
		return "hangs"
	}
	return "is down"
}

func hangs(reason string) bool {
	return reason == health.ReasonTimeout.String() || reason == health.ReasonWorkerStuck.String()
}

// unit is how systemctl is told of a memcached, with what it stands for where the configuration does not name it.
func (w view) unit(in core.InstanceState) (name, which string) {
	for _, v := range w.facts.VIPs {
		if v.Instance == in.Address && v.Unit != "" {
			return v.Unit, ""
		}
	}
	return "UNIT", " (UNIT: that of memcached " + in.Address + ")"
}

// instanceHint says what to do about a memcached that is down.
func (w view) instanceHint(node string, in core.InstanceState) string {
	on := "on " + node + ": "
	unit, which := w.unit(in)
	switch reason := in.Reason; {
	case hangs(reason):
		return fmt.Sprintf("%sps -o pid,stat,wchan,args %s (stat T: somebody stopped it, kill -CONT lets it go on; D: it waits for the kernel); "+
			"systemctl restart %s ends it and begins anew%s", on, process(in), unit, which)
	case reason == health.ReasonBadReply.String():
		return on + "ss -ltnp 'sport = :" + port(in.Address) + "' shows what listens in memcached's place"
	}
	return fmt.Sprintf("%ssystemctl status %s says how it ended, systemctl start %s brings it back%s", on, unit, unit, which)
}

// process is how ps is told of a memcached.
func process(in core.InstanceState) string {
	if in.PID != 0 {
		return fmt.Sprintf("-p %d", in.PID)
	}
	return "-C memcached"
}

// limit says in parentheses how many connections a memcached takes that has no more of them.
func limit(in core.InstanceState) string {
	if in.Reason != health.ReasonFull.String() || in.Conns == 0 {
		return ""
	}
	return fmt.Sprintf(" (-c %d)", in.Conns)
}

// unprovableHint says what to do about what limits a memcached that is up.
func (w view) unprovableHint(node string, in core.InstanceState) string {
	unit, which := w.unit(in)
	without := func(options string) string {
		return fmt.Sprintf("on %s: run memcached without %s (systemctl cat %s names its settings), then systemctl restart %s%s", node, options, unit, unit, which)
	}
	if strings.HasPrefix(in.Reason, NotListening) {
		return fmt.Sprintf("clients are refused where %s holds that address, or served by another process that nobody flushes: agentctl doctor %s says which -l memcached needs", node, node)
	}
	switch in.Reason {
	case FlushOff:
		return without("-F")
	case WantsLogin, health.ReasonLogin.String():
		return without("-Y and -S")
	case NoConnectionLeft, health.ReasonFull.String():
		than := ""
		if in.Conns != 0 {
			than = fmt.Sprintf(" than %d", in.Conns)
		}
		return fmt.Sprintf("on %s: ss -tn 'sport = :%s' shows whose connections they are; let those clients close them, or run memcached with a higher -c%s",
			node, port(in.Address), than)
	}
	return ""
}

// otherHandsHint names the usual ones.
func otherHandsHint(node string) string {
	return "on " + node + ": journalctl -u memvip-agent | grep by= names what removes it; keep networkd, NetworkManager, " +
		"keepalived or the script from that address; a minute later " + node + " may take it again"
}
