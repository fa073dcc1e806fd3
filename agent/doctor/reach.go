package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memvip/configs"
	"memvip/systemd"
)

// reachTimeout bounds each attempt. The kernel repeats a lost packet after one second, and says after three that
// nobody on the wire has the address.
const reachTimeout = 4 * time.Second

// Reach tries a TCP connection to the port of every other node, all at once, and takes four seconds at most. It sends
// nothing. That UDP passes too, it does not show: see Cluster.
func Reach(ctx context.Context, config *configs.Config, node string) []Finding {
	dialer := net.Dialer{Timeout: reachTimeout, KeepAlive: -1}
	return reach(ctx, config, node, func(ctx context.Context, to netip.AddrPort) error {
		conn, err := dialer.DialContext(ctx, "tcp", to.String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func reach(ctx context.Context, config *configs.Config, node string, dial func(context.Context, netip.AddrPort) error) []Finding {
	var others []configs.Member
	for _, m := range config.AllNodes() {
		if m.Name != node {
			others = append(others, m)
		}
	}
	list := make([]Finding, len(others))
	var dialing sync.WaitGroup
	for i, m := range others {
		to := netip.AddrPortFrom(m.Addr, uint16(config.Cluster.Port))
		dialing.Go(func() { list[i] = reached(m, to, dial(ctx, to)) })
	}
	dialing.Wait()
	return seenBy(node, list)
}

// reached puts what an attempt met into words. A voter that is not reached is a failure, another node a warning: the
// cluster does without, apart from what that node would hold.
func reached(m configs.Member, to netip.AddrPort, err error) Finding {
	if err == nil {
		return fine(CheckReach, m.Name, "%s takes connections on %s", m.Name, to)
	}
	f := Finding{Check: CheckReach, Severity: Warning, Subject: m.Name, Why: m.Name + " can neither hold an address nor be told of one while it is cut off"}
	if m.Voter {
		f.Severity, f.Why = Failure, m.Name+" is a voter: without a majority of them no address is served"
	}
	allow := fmt.Sprintf("on %s: nft insert rule inet filter input tcp dport %d accept; nft insert rule inet filter input udp dport %d accept", m.Name, to.Port(), to.Port())
	switch {
	case errors.Is(err, context.Canceled):
		return unseen(CheckReach, m.Name, "the way to "+m.Name, err, "run it again")
	case errors.Is(err, unix.ECONNREFUSED):
		f.What = fmt.Sprintf("%s refuses connections on %s: no agent runs there, or a firewall rejects them", m.Name, to)
		f.Mend = "on " + m.Name + ": systemctl status memvip-agent; where it runs, " + allow
	case isTimeout(err):
		f.What = fmt.Sprintf("%s does not answer on %s: its host is down, or a firewall drops the packets", m.Name, to)
		f.Mend = "where the host runs, " + allow
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTDOWN):
		// firewalld rejects in a way that reads like this, too.
		f.What = fmt.Sprintf("there is no way to %s, %s: %v: no route, nobody with that address, or a firewall that rejects", m.Name, to, bare(err))
		f.Mend = "ip route get " + to.Addr().String() + "; ip neigh show " + to.Addr().String() + "; where the host runs, " + allow
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		f.What = fmt.Sprintf("this host's own firewall keeps packets from %s, %s", m.Name, to)
		f.Mend = fmt.Sprintf("nft list ruleset | grep -n output; then nft insert rule inet filter output tcp dport %d accept; nft insert rule inet filter output udp dport %d accept", to.Port(), to.Port())
	default:
		f.What = fmt.Sprintf("%s is not reached on %s: %v", m.Name, to, bare(err))
		f.Mend = "ip route get " + to.Addr().String()
	}
	if !systemd.Reaches(to.Addr()) {
		f.Mend += fmt.Sprintf("; and on every host, since the unit lets no public address pass: systemctl edit memvip-agent, [Service] IPAddressAllow=%s", to.Addr())
	}
	return f
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.ETIMEDOUT)
}

// bare is the system's own words, without what the sentence says already.
func bare(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}
