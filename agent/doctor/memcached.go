package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"memvip/flush"
)

// instances looks at every memcached that the node may serve from, all at once: one that hangs takes a second.
func (h *host) instances(ctx context.Context) []Finding {
	all := h.distinctInstances()
	found := make([][]Finding, len(all))
	var asking sync.WaitGroup
	for i, in := range all {
		asking.Go(func() { found[i] = h.instance(ctx, in) })
	}
	asking.Wait()
	return slices.Concat(found...)
}

func (h *host) instance(ctx context.Context, in instance) []Finding {
	list := h.restartCommand(in)
	a, err := h.examine(ctx, in.address)
	if err != nil {
		return append(list, h.silent(in, err))
	}
	list = append(list, fine(CheckMemcached, in.subject(), "memcached %s answers", in.address))
	for _, r := range rules {
		list = append(list, r.judge(h, in, a))
	}
	list = append(list, version(in, a), room(in, a))
	if a.Elsewhere {
		return append(list, elsewhere(in))
	}
	list = append(list, fine(CheckNamespace, in.subject(), "memcached %s listens in this network namespace", in.address))
	return append(list, h.listening(in, a.Listeners)...)
}

func (in instance) subject() string { return in.address.String() }

// restartCommand looks whether it could be run, without running it; nothing where there is none.
func (h *host) restartCommand(in instance) []Finding {
	if len(in.command) == 0 {
		return nil
	}
	program := in.command[0]
	if err := h.runnable(in.command); err != nil {
		return []Finding{{
			Check: CheckRestartCommand, Severity: Failure, Subject: in.subject(), What: fmt.Sprintf("restart_command of memcached %s: %v", in.address, err),
			Why:  "a VIP that only a restart could free stays down",
			Mend: "ls -l " + program + "; or the right path in the configuration",
		}}
	}
	return []Finding{fine(CheckRestartCommand, in.subject(), "restart_command of memcached %s: %s is there", in.address, program)}
}

// silent judges an instance that could not be asked.
func (h *host) silent(in instance, err error) Finding {
	f := Finding{
		Check: CheckMemcached, Severity: Failure, Subject: in.subject(), What: fmt.Sprintf("memcached %s: %v", in.address, flush.Detail(err)),
		Why: "this node can hold none of " + addresses(in.vips), Mend: "systemctl status " + in.unit + "; ss -tlnp 'sport = :" + fmt.Sprint(in.address.Port()) + "'",
	}
	var refusal *flush.Refusal
	if !errors.As(err, &refusal) {
		return f
	}
	switch refusal.Reason {
	case flush.ReasonLogin:
		f.What = fmt.Sprintf("memcached %s wants a login (-Y)", in.address)
		f.Why = "the agent has none: it can neither flush it nor prove it empty, and this node takes no address"
		f.Mend = "run memcached without -Y, on loopback and the VIPs only"
	case flush.ReasonFull:
		f.What = fmt.Sprintf("memcached %s has no connection to spare: maxconns is reached", in.address)
		f.Why = "new clients are turned away, and the agent cannot prove a flush"
		f.Mend = "run memcached with a greater -c; ss -tn 'sport = :" + fmt.Sprint(in.address.Port()) + "' | awk '{print $5}' | cut -d: -f1 | sort | uniq -c says whose connections they are"
	case flush.ReasonTimeout:
		f.What = fmt.Sprintf("memcached %s does not answer in time", in.address)
		f.Mend = "ps -C memcached -o pid,stat,wchan,args: it hangs, or runs with -S, which takes no text commands"
	case flush.ReasonStopped:
		f.Severity, f.What = Unknown, fmt.Sprintf("memcached %s was not waited for", in.address)
		f.Why, f.Mend = "what was not seen may be broken", "run it again"
	case flush.ReasonUnreachable:
		f.Mend = h.startHint(in, err, f.Mend)
	default:
	}
	return f
}

// startHint names the likeliest reason for a memcached that is not there at all.
func (h *host) startHint(in instance, err error, otherwise string) string {
	if !errors.Is(err, unix.ECONNREFUSED) || h.nonlocalBind(in.vips) {
		return otherwise
	}
	return otherwise + "; if its log says \"Cannot assign requested address\", it wants an address that is not here: " + setNonlocalBind(in.vips)
}

func elsewhere(in instance) Finding {
	return Finding{
		Check: CheckNamespace, Severity: Failure, Subject: in.subject(), What: fmt.Sprintf("memcached %s listens in another network namespace, such as a container's", in.address),
		Why:  "the agent cannot see which connections wait there, so no flush can be proved, and this node takes no address that it served before",
		Mend: "run memcached in the host's network: docker run --network host",
	}
}

// The shares of maxconns in use from which there is too little room left. A process that serves several VIPs gets
// another host's clients on top of its own when it stands in.
const (
	fullShare   = 0.8
	sharedShare = 0.5
)

func room(in instance, a flush.Account) Finding {
	share, why := fullShare, "memcached turns new clients away when they are used up, and the agent with them"
	if len(in.vips) > 1 {
		share, why = sharedShare, "when another host fails its clients come on top, and memcached turns away those for whom there is no room"
	}
	if a.MaxConns == 0 || float64(a.CurrConns) < share*float64(a.MaxConns) {
		return fine(CheckConnections, in.subject(), "memcached %s has %d of %d connections in use", in.address, a.CurrConns, a.MaxConns)
	}
	return Finding{
		Check: CheckConnections, Severity: Warning, Subject: in.subject(),
		What: fmt.Sprintf("memcached %s has %d of %d connections in use", in.address, a.CurrConns, a.MaxConns),
		Why:  why, Mend: fmt.Sprintf("run memcached with -c %d or more, and LimitNOFILE above that in its unit", 4*a.CurrConns),
	}
}
