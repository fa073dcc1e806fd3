package doctor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"memvip/configs"
	"memvip/health"
	"memvip/vip"
)

// kernel looks at what the kernel does for an agent: it closes addresses, and tells of memcached's end. An agent that
// runs here has found that out already.
func (h *host) kernel() []Finding {
	list := []Finding{h.fence()}
	if !h.self.Witness {
		list = append(list, h.processEvents())
	}
	return list
}

const fenceSubject = "fence"

func (h *host) fence() Finding {
	wanted := h.config.Cluster.Fence
	switch {
	case wanted == configs.FenceOff:
		return openFence(CheckFence, fenceSubject, `cluster.fence is "off"`)
	case wanted == configs.FenceLifetime:
		return fine(CheckFence, fenceSubject, "the fence is the address's own lifetime, as configured: leases are 5 s")
	case h.Agent != nil:
		return fenceOf(CheckFence, fenceSubject, "the agent here", h.Agent.Fence)
	}
	err := h.tables()
	switch {
	case err == nil:
		return fine(CheckFence, fenceSubject, "the kernel answers for nftables, the fence of choice")
	case errors.Is(err, unix.EPERM) && !h.privileged():
		return unseen(CheckFence, fenceSubject, "nftables", err, asRoot)
	}
	f := Finding{
		Check: CheckFence, Severity: Warning, Subject: fenceSubject, What: fmt.Sprintf("the kernel has no nftables: %v", err),
		Why:  "the fence will be the address's own lifetime: leases are 5 s, and this host's death is noticed that late",
		Mend: "modprobe nf_tables",
	}
	if wanted == configs.FenceNftables {
		f.Severity, f.Why = Failure, `cluster.fence is "nftables": an agent does not start without`
	}
	return f
}

// fenceOf judges the fence that an agent has; who names the agent.
func fenceOf(check Check, subject, who, fence string) Finding {
	switch vip.FenceMode(fence) {
	case vip.FenceOff:
		return openFence(check, subject, who+" works without a fence")
	case vip.FenceLifetime:
		return Finding{
			Check: check, Severity: Warning, Subject: subject, What: "the fence of " + who + " is the address's own lifetime",
			Why: "its leases are 5 s, and its death is noticed that late", Mend: "journalctl -u memvip-agent | grep -i fence: what nftables lacks there",
		}
	case vip.FenceNFTables, vip.FenceAuto:
	}
	return fine(check, subject, "the fence of %s is %s", who, fence)
}

func openFence(check Check, subject, what string) Finding {
	return Finding{
		Check: check, Severity: Warning, Subject: subject, What: what,
		Why:  "while an agent is frozen or dead its host goes on answering on an address that another host has taken",
		Mend: `cluster.fence = "auto" in the configuration`,
	}
}

const connectorSubject = "process events"

// slowDetector is what an agent says of its detector where it has no process events; see core.NodeState.
const slowDetector = "connection end"

func (h *host) processEvents() Finding {
	if h.Agent != nil {
		return detectorOf(CheckConnector, connectorSubject, "the agent here", h.Agent.Detector)
	}
	err := h.connector()
	switch {
	case err == nil:
		return fine(CheckConnector, connectorSubject, "the kernel tells of a process's end at once")
	case !h.privileged():
		return unseen(CheckConnector, connectorSubject, "the kernel's process events", err, asRoot)
	}
	return lateDetector(CheckConnector, connectorSubject, fmt.Sprintf("the kernel does not tell of a process's end: %v", err))
}

func detectorOf(check Check, subject, who, detector string) Finding {
	if detector == slowDetector {
		return lateDetector(check, subject, who+" is not told of memcached's end by the kernel")
	}
	return fine(check, subject, "%s notices memcached's end by the %s", who, detector)
}

func lateDetector(check Check, subject, what string) Finding {
	return Finding{
		Check: check, Severity: Warning, Subject: subject, What: what,
		Why:  "memcached's end is noticed by the end of a connection, which comes up to seconds late for a big cache",
		Mend: "run the agent with CAP_NET_ADMIN in the host's own namespaces; the kernel needs CONFIG_PROC_EVENTS: zgrep PROC_EVENTS /proc/config.gz /boot/config-$(uname -r)",
	}
}

func tryConnector() error {
	c, err := health.OpenConnector()
	if err != nil {
		return err
	}
	return c.Close()
}
