package doctor

import (
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// process looks at what this process may do, and if it is the agent at its footing.
func (h *host) process() []Finding {
	list := []Finding{h.capabilities()}
	if h.Agent != nil {
		list = append(list, h.scheduling(), h.memoryLock())
	}
	return list
}

func (h *host) capabilities() Finding {
	const subject = "process"
	switch {
	case h.lacksErr != nil:
		return unseen(CheckCapabilities, subject, "what this process may do", h.lacksErr, asRoot)
	case len(h.lacks) == 0:
		return fine(CheckCapabilities, subject, "this process has CAP_NET_ADMIN and CAP_NET_RAW")
	}
	lacks := strings.Join(h.lacks, " and ")
	if h.Agent == nil && h.uid != 0 {
		return Finding{
			Check: CheckCapabilities, Severity: Unknown, Subject: subject,
			What: "this process lacks " + lacks + ", so it cannot tell what an agent may do here",
			Why:  "an agent needs both to put up addresses and announce them", Mend: asRoot,
		}
	}
	return Finding{
		Check: CheckCapabilities, Severity: Failure, Subject: subject, What: "this process lacks " + lacks,
		Why:  "an agent can put up no address and announce none",
		Mend: "systemctl show memvip-agent -p User -p CapabilityBoundingSet -p AmbientCapabilities; in a container: --cap-add NET_ADMIN --cap-add NET_RAW",
	}
}

// scheduling wants the class that the unit gives.
func (h *host) scheduling() Finding {
	const subject = "agent"
	attr, err := h.scheduler()
	if err != nil {
		return unseen(CheckScheduling, subject, "the agent's scheduling class", err, asRoot)
	}
	switch attr.Policy {
	case unix.SCHED_RR, unix.SCHED_FIFO, unix.SCHED_DEADLINE:
		return fine(CheckScheduling, subject, "the agent runs in a real-time class")
	}
	return Finding{
		Check: CheckScheduling, Severity: Warning, Subject: subject, What: "the agent runs in the ordinary scheduling class",
		Why:  "on a host whose cores are all busy it may renew its leases too late, and its addresses move",
		Mend: "systemctl show memvip-agent -p CPUSchedulingPolicy; the unit that comes with memvip has CPUSchedulingPolicy=rr",
	}
}

// memoryLock wants something locked: how much is the agent's to know.
func (h *host) memoryLock() Finding {
	const subject = "agent"
	status, err := fs.ReadFile(h.proc, "self/status")
	if err != nil {
		return unseen(CheckMemoryLock, subject, "the agent's locked memory", err, asRoot)
	}
	var locked int
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmLck: %d kB", &locked); err == nil {
			break
		}
	}
	if locked > 0 {
		return fine(CheckMemoryLock, subject, "the agent's memory is locked")
	}
	return Finding{
		Check: CheckMemoryLock, Severity: Warning, Subject: subject, What: "the agent's memory is not locked",
		Why:  "on a host that runs out of memory the agent waits for its disk while leases run out",
		Mend: "systemctl show memvip-agent -p LimitMEMLOCK; the unit that comes with memvip has LimitMEMLOCK=infinity",
	}
}

func ownScheduling() (unix.SchedAttr, error) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return unix.SchedAttr{}, fmt.Errorf("scheduling class: %w", err)
	}
	return *attr, nil
}
