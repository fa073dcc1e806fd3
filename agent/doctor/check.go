package doctor

import "fmt"

// Check names what was looked at. The set is closed, and ids do not change.
type Check string

// The checks of Host.
const (
	CheckNode         Check = "node"          // the configuration knows this node
	CheckCapabilities Check = "capabilities"  // the process may change addresses and send raw frames
	CheckScheduling   Check = "scheduling"    // the agent runs in a real-time class
	CheckMemoryLock   Check = "memory_lock"   // the agent's memory stays out of swap
	CheckConfigFile   Check = "config_file"   // the file is good, and what the agent runs with
	CheckKeyFile      Check = "key_file"      // mode, owner, length, and that it is the agent's key
	CheckRuntimeDir   Check = "runtime_dir"   // in memory, with room for the state file
	CheckFence        Check = "fence"         // the kernel closes an address whose lease is over
	CheckConnector    Check = "connector"     // the kernel tells of memcached's end
	CheckOwnAddress   Check = "own_address"   // the node's own address is on this host
	CheckGossipPort   Check = "gossip_port"   // nobody else has the port, where no agent runs
	CheckInterface    Check = "interface"     // of a VIP: found, up, with carrier, able to speak its family
	CheckStranger     Check = "vip_stranger"  // a VIP that somebody else has put on this host
	CheckARPIgnore    Check = "arp_ignore"    // who answers for a VIP
	CheckARPAnnounce  Check = "arp_announce"  // who asks in a VIP's name
	CheckReversePath  Check = "rp_filter"     // clients' packets are not dropped for their way back
	CheckOtherManager Check = "other_manager" // another program that manages addresses
	CheckHooks        Check = "hooks"         // there are programs of their names
)

// The checks of Host about memcached, for each instance or each VIP on it.
const (
	CheckMemcached      Check = "memcached"              // it answers, and not to a login
	CheckFlush          Check = "memcached_flush"        // -F
	CheckEmptying       Check = "memcached_emptying"     // flushed items go away
	CheckMemoryFile     Check = "memcached_memory_file"  // -e
	CheckAuth           Check = "memcached_auth"         // -S
	CheckVersion        Check = "memcached_version"      // tried with memvip
	CheckCrash          Check = "memcached_crash"        // options that crash this version
	CheckCAS            Check = "memcached_cas"          // -C with an old version
	CheckConnections    Check = "memcached_connections"  // room below -c
	CheckIdleTimeout    Check = "memcached_idle_timeout" // the probes' connection is kept
	CheckUDP            Check = "memcached_udp"          // -U
	CheckShutdown       Check = "memcached_shutdown"     // -A
	CheckNamespace      Check = "memcached_namespace"    // it listens where the agent can see
	CheckListens        Check = "memcached_listens"      // on the VIP
	CheckDirect         Check = "memcached_direct"       // on the host's own address, past the VIPs
	CheckNonlocalBind   Check = "ip_nonlocal_bind"       // it can start while the VIP is elsewhere
	CheckRestartCommand Check = "restart_command"        // there is a program of that name
)

// The checks of Reach, Cluster, ClockRates and whoever asks the agents.
const (
	CheckAgent        Check = "agent"          // an agent answers on this host
	CheckAnswers      Check = "node_answers"   // a node says what it finds on itself
	CheckReach        Check = "reach"          // TCP to a node's port
	CheckConfigDrift  Check = "config_drift"   // all nodes have one configuration
	CheckVersions     Check = "agent_versions" // all agents are of one version
	CheckKeys         Check = "gossip_keys"    // all nodes seal with one key, and no rotation hangs
	CheckForeignOwner Check = "foreign_owner"  // somebody else claims a VIP
	CheckVoter        Check = "voter_answers"  // in both directions
	CheckOneWay       Check = "one_way"        // heard, and does not hear
	CheckNodeFence    Check = "node_fence"     // the fence that a node really has
	CheckNodeDetector Check = "node_detector"  // how a node really notices memcached's end
	CheckClockRate    Check = "clock_rate"     // within cluster.clock_drift
)

func fine(check Check, subject, format string, args ...any) Finding {
	return Finding{Check: check, Severity: OK, Subject: subject, What: fmt.Sprintf(format, args...)}
}

// unseen is a check that could not be made, for a reason that an error says.
func unseen(check Check, subject, what string, err error, mend string) Finding {
	return Finding{
		Check: check, Severity: Unknown, Subject: subject, What: fmt.Sprintf("%s could not be looked at: %v", what, err),
		Why: "what was not seen may be broken", Mend: mend,
	}
}
