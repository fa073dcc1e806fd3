package control

import (
	"fmt"

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

// instanceHint says what to do about a memcached that is down.
func instanceHint(node string, in core.InstanceState) string {
	on := "on " + node + ": "
	switch reason := in.Reason; {
	case hangs(reason):
		return fmt.Sprintf("%sps -o pid,stat,wchan,args %s (stat T: somebody stopped it, kill -CONT lets it go on; D: it waits for the kernel); "+
			"systemctl restart memcached ends it and begins anew", on, process(in))
	case reason == health.ReasonBadReply.String():
		return on + "ss -ltnp 'sport = :" + port(in.Address) + "' shows what listens in memcached's place"
	}
	return on + "systemctl status memcached says how it ended, systemctl start memcached brings it back"
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
func unprovableHint(node string, in core.InstanceState) string {
	switch in.Reason {
	case FlushOff:
		return "on " + node + ": run memcached without -F (/etc/memcached.conf or its unit), then systemctl restart memcached"
	case WantsLogin, health.ReasonLogin.String():
		return "on " + node + ": run memcached without -Y and -S (/etc/memcached.conf or its unit), then systemctl restart memcached"
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
