package agent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/gossip"
	"memvip/agent/history"
	"memvip/agent/hooks"
	"memvip/agent/metrics"
	"memvip/agent/nowait"
	"memvip/agent/service"
	"memvip/agent/trace"
	"memvip/configs"
	"memvip/health"
	"memvip/vip"
)

// goodbyePatience bounds the goodbye to the other nodes, whom the releases have told already.
const goodbyePatience = time.Second

// placePatience is how long an agent waits that has no place yet, before it ends for another to try: an address or a name that
// never comes is not to cost the host some ten starts a second.
const placePatience = time.Second

// Options say which node to run, and where.
type Options struct {
	ConfigPath string
	Node       string // its name in the configuration; empty: the host's name
	RuntimeDir string // of state file, lock and control socket; made if need be

	// Connector, if not nil, tells of memcached's death; Run closes it. Without one Run opens its own,
	// where the kernel allows.
	Connector *health.Connector
	// Entered says that EnterNetns was called: a program that takes this one's place must not do so again.
	Entered bool
	// Log may be nil: silence.
	Log *logrus.Logger
	// Output, if not nil, is what stands behind Log. It is shaped as the configuration says, and flushed before this
	// process becomes another program.
	Output Log
	// Signals, if not nil, brings the signals to end by: the first stops the node as the end of ctx does,
	// the next does not let it take its time. A SIGTERM that systemd sends to start the unit again leaves the
	// addresses up whatever the configuration says.
	Signals <-chan os.Signal
	// Program, if not nil, is what an upgrade puts into this one's place; see there. The process is the agent's own
	// then, and its memory is locked.
	Program *Program
}

// Run runs a node until ctx ends or a signal comes, then gives its VIPs away and leaves, or leaves them up for the
// agent that is started next, as configured. When it returns, nothing of it runs any more, and the addresses are
// down but for those. An upgrade ends this process's life as this program without returning. A panic of the machine
// ends it like any other error, and takes the addresses down.
//
// The error is made of *configs.Error for a configuration that will not do, within a *PlaceError if it would on other
// interfaces or by another host name, a *RunningError if another
// agent has the runtime directory, vip.ErrCapability if the process may not change addresses, or says
// what else failed; see ExitCode. A hurried stop is an error too.
func Run(ctx context.Context, o Options) error {
	diary, services := newDiary(o.Log), service.ManagerOf(os.LookupEnv)
	herald := service.NewHerald(func(err error) { diary.trouble(logrus.Fields{}, "service manager not told", err) })
	runner := newHooks(diary)
	for again := false; ; again = true {
		a := &agent{options: o, diary: diary, services: services, herald: herald, hooks: runner, started: time.Now(), ready: make(chan struct{}), reloads: make(chan wish)}
		opened, err := a.run(ctx)
		switch next := a.successor(); {
		case again && !opened: // what the last life left up is nobody's any more
			err = errors.Join(err, cleanup(o.RuntimeDir, diary, nothing))
			fallthrough
		case next == nil || err != nil:
			runner.Close(a.hooksMayTake(err))
			return err
		default:
			o.Connector = a.goOn(ctx, next)
		}
	}
}

// run is one life from its beginning to its end. opened is false if it came to nothing.
func (a *agent) run(ctx context.Context) (opened bool, err error) {
	a.own(a.options.Connector)
	defer func() { err = a.end(err) }()
	started, err := a.open()
	if err != nil {
		if _, ok := errors.AsType[*PlaceError](err); ok {
			pause(ctx, placePatience)
		}
		return false, err
	}
	return true, a.live(ctx, started)
}

// end closes everything. What cannot be closed ends this program, unless another is about to take its place.
func (a *agent) end(err error) error {
	closing := a.close()
	if closing != nil && err == nil && a.successor() != nil {
		a.diary.trouble(logrus.Fields{}, "not everything closed", closing)
		return nil
	}
	return errors.Join(err, closing)
}

// returns reports whether the node was told to end in a way that it is about to be back from.
func (a *agent) returns() bool {
	end := a.asked.Load()
	return end != nil && end.way == configs.StopKeep
}

// successor is what this process goes on as after this life; nil: nothing.
func (a *agent) successor() *successor {
	if end := a.asked.Load(); end != nil {
		return end.next
	}
	return nil
}

// agent is one life of a node.
type agent struct {
	options  Options
	diary    *diary
	services service.Manager // nil: nobody's unit
	hooks    *hooks.Runner   // of the whole process
	started  time.Time
	herald   *service.Herald             // nil: nobody is told of this node
	asked    atomic.Pointer[ending]      // how this life was told to end; nil before
	refused  atomic.Pointer[refusedWish] // the newest wish for another that came to nothing; nil: none

	config    *configs.Config
	disk      *diskLook
	self      configs.Member
	connector *health.Connector // nil: memcached's death is noticed by its connections
	manager   *vip.Manager
	places    map[core.Name]vip.Address
	macs      *ownMACs // watchLinks has it to itself once the loop runs
	gossip    *gossip.Gossip
	clients   *clientele
	loop      *loop
	history   *history.Store
	recorder  *trace.Recorder
	metrics   *metrics.Metrics // nil: nobody is told; as is teller
	teller    *metrics.Server
	keys      keyKeeper
	ready     chan struct{} // closed once everything is open
	reloads   chan wish     // for another life with the configuration of now

	ctx     context.Context // of the loop, and of what tells it
	cancel  context.CancelCauseFunc
	tellers *crew

	closers []func() error // in the order of opening
}

// own takes over a connector.
func (a *agent) own(c *health.Connector) {
	if c == nil {
		return
	}
	a.connector = c
	a.closeLater(c.Close)
}

func (a *agent) closeLater(f func() error) { a.closers = append(a.closers, f) }

// close undoes what open did, backwards, and goes on past errors.
func (a *agent) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// open opens everything, and returns what the machine is to be told first.
func (a *agent) open() (core.Started, error) {
	for _, step := range []func() error{a.openConfig, a.openDir, a.openRecorder, a.openAddresses, a.openConnector} {
		if err := step(); err != nil {
			return core.Started{}, err
		}
	}
	started, err := a.remember()
	if err != nil {
		return core.Started{}, err
	}
	a.openHistory(started.Durable.Start + 1)
	a.openHooks()
	a.openLoop()
	a.openMetrics()
	for _, step := range []func() error{a.openGossip, a.openControl, a.serveMetrics} {
		if err := step(); err != nil {
			return core.Started{}, err
		}
	}
	return started, nil
}

func (a *agent) openConfig() (err error) {
	guessed := a.options.Node == ""
	if guessed {
		if a.options.Node, err = os.Hostname(); err != nil {
			return fmt.Errorf("host's name: %w", err)
		}
	}
	if a.config, err = configs.Load(a.options.ConfigPath); err != nil {
		return err
	}
	a.disk = &diskLook{running: a.config}
	if a.options.Output != nil {
		a.options.Output.Shape(a.config.Agent.Log, a.config.Agent.LogLevel)
	}
	for _, w := range a.config.Warnings() {
		a.diary.trouble(logrus.Fields{fieldDetail: w}, "configuration warning", nil)
	}
	if a.self, err = a.config.Self(a.options.Node); err != nil && guessed {
		return &PlaceError{err} // a host may get its name later than its agent
	}
	return err
}

func (a *agent) openDir() error {
	unlock, err := lockDir(a.options.RuntimeDir)
	if err != nil {
		return err
	}
	a.closeLater(func() error { unlock(); return nil })
	return nil
}

func (a *agent) openAddresses() (err error) {
	a.clients = newClientele(a.config, a.self.Name, a.diary)
	links, err := vip.HostLinks()
	if err != nil {
		return err
	}
	if a.places, err = placesOf(a.config, a.self.Name, linksOf(links)); err != nil {
		return err
	}
	a.macs = newOwnMACs(links, a.places)
	options := vip.Options{
		Fence: vip.FenceMode(a.config.Cluster.Fence), Managed: a.managed(), Links: linksIn(a.places), Stepped: a.tracedAddress,
		Former: withRecalls(a.clients.former, a.diary),
	}
	if a.manager, err = vip.Open(options); err != nil {
		return err
	}
	a.closeLater(a.manager.Close)
	return nil
}

// openConnector does without where the kernel does not allow it.
func (a *agent) openConnector() error {
	if a.self.Witness || a.connector != nil {
		return nil
	}
	c, err := health.OpenConnector()
	if err != nil {
		a.diary.change(logrus.Fields{fieldError: err.Error()}, "process connector not available")
		return nil
	}
	a.own(c)
	return nil
}

// detector is how the other nodes are told of that; see core.NodeState.
func (a *agent) detector() string {
	if a.connector == nil {
		return "connection end"
	}
	return "process connector"
}

// remember returns what an earlier life left, in the state file and on the links. An address of ours
// that has no place here any more is removed at once.
func (a *agent) remember() (core.Started, error) {
	var entropy [8]byte
	_, _ = rand.Read(entropy[:]) // never fails
	started := core.Started{Entropy: binary.NativeEndian.Uint64(entropy[:])}
	var err error
	if started.Boot, err = hostBoot(); err != nil {
		return core.Started{}, err
	}
	started.Durable, started.Valid, started.Problem = newStateFile(a.options.RuntimeDir).Load(started.Boot)
	leftovers, err := a.manager.Leftovers()
	if err != nil {
		return core.Started{}, err
	}
	for _, left := range leftovers {
		name := core.Name(left.Prefix.Addr().String())
		if a.places[name] == left {
			started.Present = append(started.Present, name)
			continue
		}
		if _, err := a.manager.Drop(left); err != nil && !isDown(err) {
			return core.Started{}, err
		}
		a.diary.change(logrus.Fields{fieldAddress: left.Prefix.String(), fieldLink: left.Link}, "leftover address removed")
	}
	return started, a.endConnections()
}

// endConnections destroys those of addresses that are not here: the kernel does not when it ends an address that
// nobody refreshed, and the fence keeps their clients' farewells from them. memcached would have them for ever. What is
// here by other hands is left alone.
func (a *agent) endConnections() error {
	links, err := a.manager.Links()
	if err != nil {
		return err
	}
	var absent []netip.Addr
	for _, place := range a.places {
		if ip := place.Prefix.Addr(); !slices.ContainsFunc(links, func(l vip.Link) bool { return hasAddress(l, ip) }) {
			absent = append(absent, ip)
		}
	}
	n, err := a.manager.EndConnections(absent)
	if n > 0 {
		a.diary.change(logrus.Fields{fieldDetail: strconv.Itoa(n)}, "leftover connections destroyed")
	}
	if isDown(err) {
		return nil
	}
	return err
}

func hasAddress(l vip.Link, ip netip.Addr) bool {
	return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Addr() == ip })
}

// openHistory goes on with the timeline that an earlier life wrote.
func (a *agent) openHistory(start uint64) {
	a.history = history.Open(a.options.RuntimeDir, history.Options{Node: a.self.Name, Start: start, Failed: func(err error) {
		a.diary.trouble(logrus.Fields{}, "history not written", err)
	}})
	a.closeLater(a.history.Close)
}

func (a *agent) openLoop() {
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	s := shared{clock: boottime, queue: newQueue(), diary: a.diary, failed: func(err error) { a.cancel(err) }}
	a.tellers = newCrew(s.failed)
	config := machineConfig(a.config, a.self, Version(), a.detector())
	config.MACs = a.macs.told
	fence, _ := a.manager.Fence()
	config.Fence, config.Lease = string(fence), a.lease()
	a.loop = &loop{
		shared: s, machine: core.New(config),
		store: newStateFile(a.options.RuntimeDir), asks: make(chan chan core.Status), observer: observers{a.recorder},
		ticks:     nowait.NewTimer,
		history:   chronicle{a.history, a.hooks},
		addresses: newAddresses(s, a.manager, a.places),
		instances: newInstances(s, withFaults(realInstances{}, a.diary), instancesOf(a.config, a.self.Name)),
	}
	a.loop.instances.noticed = a.tracedDown
	a.clients.port, a.clients.held = a.manager, a.loop.addresses.upHere
	a.closeLater(func() error { a.loop.addresses.finish(); return nil })
	a.closeLater(func() error { a.loop.instances.finish(); return nil })
	a.closeLater(func() error { a.cancel(nil); a.tellers.wait(); return nil })
}

// lease is how long the leases of this node are: with the lifetime for a fence they have to outlast an address that
// nobody refreshes (F12).
func (a *agent) lease() time.Duration {
	if fence, _ := a.manager.Fence(); fence == vip.FenceLifetime {
		return core.LeaseMax
	}
	return a.config.Cluster.Lease
}

func (a *agent) openGossip() error {
	peers := map[string]netip.Addr{}
	for _, m := range a.config.AllNodes() {
		if m.Name != a.self.Name {
			peers[m.Name] = m.Addr
		}
	}
	queue := a.loop.queue
	var keys [][]byte
	for _, k := range a.config.Cluster.Keys {
		keys = append(keys, k[:])
	}
	g, err := gossip.Start(gossip.Options{
		Node: a.self.Name, Bind: a.self.Addr, Port: a.config.Cluster.Port, Keys: keys, Peers: peers,
		Lease: a.config.Cluster.Lease, ClusterName: a.config.Cluster.Name, Logger: a.diary.log,
		OnMessage: func(source string, msg core.Message) { queue.offer(core.Received{Source: source, Msg: msg}) },
		OnState:   func(s core.NodeState) { queue.offer(core.StateHeard{State: s}) },
		OnClients: a.clients.hear,
		OnCall:    a.answerNode,
	})
	if err != nil {
		return err
	}
	a.gossip, a.loop.net, a.clients.net = g, g, g
	a.closeLater(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), goodbyePatience)
		defer cancel()
		if a.returns() {
			cancel() // no goodbye
		}
		return g.Close(ctx)
	})
	return nil
}

func (a *agent) openControl() error {
	server, err := control.Serve(filepath.Join(a.options.RuntimeDir, control.SocketName), a.answer)
	if err != nil {
		return err
	}
	a.closeLater(server.Close)
	close(a.ready)
	return nil
}
