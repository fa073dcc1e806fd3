package doctor

import (
	"cmp"
	"context"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"memvip/configs"
	"memvip/flush"
	"memvip/flush/command"
	"memvip/vip"
)

// Options say where Host looks from.
type Options struct {
	RuntimeDir string // of the agent
	// Agent is what the agent says of itself, if this process is the agent: what the process may do and has locked is
	// the agent's then. nil elsewhere, such as before the installation.
	Agent *Agent
}

// Agent is what a running agent knows of its own footing.
type Agent struct {
	Fence    string   // as core.NodeState has it
	Detector string   // as core.NodeState has it
	Keys     []string // fingerprints of its gossip keys, the sealing one first; nil: not told
}

// Host looks at all that can be seen on this host alone, for the node that it is to be. It needs no agent. A process
// that may not look at something says so by an Unknown finding. It takes about a second where an instance does not
// answer, else some milliseconds.
func Host(ctx context.Context, config *configs.Config, node string, o Options) []Finding {
	return newHost(config, node, o).look(ctx)
}

// host is one look, with seams for tests: all that reaches the kernel, the file system and memcached.
type host struct {
	Options
	config *configs.Config
	self   configs.Member
	vips   []configs.VIP // that the node may hold

	uid       int
	proc      fs.FS // /proc of this process's network namespace
	links     []link
	linksErr  error
	lacks     []string // capabilities; of no meaning with lacksErr
	lacksErr  error
	strangers func([]netip.Addr) ([]vip.Address, error)
	statfs    func(dir string) (unix.Statfs_t, error)
	runnable  func(argv []string) error                   // whether a command's program can be found and run
	listen    func(context.Context, netip.AddrPort) error // whether the gossip port is free
	tables    func() error                                // whether nftables can be asked
	connector func() error                                // whether process events are to be had
	scheduler func() (unix.SchedAttr, error)
	examine   func(context.Context, netip.AddrPort) (flush.Account, error)
}

func newHost(config *configs.Config, node string, o Options) *host {
	h := &host{
		Options: o, config: config, self: configs.Member{Name: node}, vips: config.Eligible(node),
		uid: os.Geteuid(), proc: os.DirFS("/proc"),
		strangers: vip.Strangers, statfs: statfs, runnable: command.Runnable, listen: TryListen,
		tables: vip.NFTables, connector: tryConnector, scheduler: ownScheduling, examine: flush.Examine,
	}
	h.links, h.linksErr = hostLinks()
	h.lacks, h.lacksErr = vip.MissingCapabilities()
	return h
}

func (h *host) look(ctx context.Context) []Finding {
	self, err := h.config.Self(h.self.Name)
	if err != nil {
		return seenBy(h.self.Name, []Finding{{
			Check: CheckNode, Severity: Failure, Subject: h.self.Name, What: err.Error(),
			Why: "an agent by this name does not start", Mend: "name the node: --node NAME",
		}})
	}
	h.self = self
	return seenBy(self.Name, slices.Concat(
		[]Finding{fine(CheckNode, self.Name, "%s is a node of %s", self.Name, h.config.Cluster.Name)},
		h.process(), h.files(), h.kernel(), h.gossip(ctx), h.interfaces(), h.sysctls(), h.others(), h.hooks(), h.instances(ctx),
	))
}

// privileged reports whether what the kernel refuses to this process, it would refuse to the agent too.
func (h *host) privileged() bool { return h.lacksErr == nil && len(h.lacks) == 0 }

// asRoot says how to look again with the right to.
const asRoot = "run it as root: sudo agentctl doctor"

// instance is one memcached and the VIPs that it may serve here.
type instance struct {
	address netip.AddrPort
	command []string // restarts it; nil if none does
	unit    string   // of systemd; "UNIT" if the configuration does not tell
	vips    []netip.Addr
}

func (h *host) distinctInstances() []instance {
	var list []instance
	for _, v := range h.vips {
		i := slices.IndexFunc(list, func(in instance) bool { return in.address == v.Instance })
		if i < 0 {
			i = len(list)
			list = append(list, instance{address: v.Instance, command: v.RestartCommand, unit: cmp.Or(h.config.Unit(v), "UNIT")})
		}
		list[i].vips = append(list[i].vips, v.Prefix.Addr())
	}
	slices.SortStableFunc(list, func(a, b instance) int {
		return cmp.Or(a.address.Addr().Compare(b.address.Addr()), cmp.Compare(a.address.Port(), b.address.Port()))
	})
	return list
}
