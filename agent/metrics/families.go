package metrics

// How things are, as this node knows it.
var (
	stateAge = gauge("state_age_seconds",
		"Age of what is told here of the state; more than a second: the agent's run loop did not answer in time.")
	started    = gauge("start_time_seconds", "When this life of the agent began, in seconds since 1970.")
	buildInfo  = gauge("build_info", "1, with the version of the agent.", "version")
	configInfo = gauge("config_info", "1, with the beginning of the digest of the configuration in force.", "digest")
	verdict    = gauge("verdict", "0 all well, 1 degraded, 2 a VIP is not served, as far as this node knows; agentctl status asks the others, too.")
	problems   = gauge("problems", "Problems that this node knows of, by code; none known, none told. agentctl status also lists what others see.", "code", "severity")
	outageOf   = gauge("outage_bound_seconds",
		"The longest time without a VIP that the settings allow for one fault: host_lost, hung, exited or planned.", "fault")

	quorate         = gauge("quorate", "1 while a majority of the voters answers this node.")
	voters          = gauge("voters", "Voters in force.")
	votersNeeded    = gauge("voters_needed", "Voters that make a majority.")
	votersAnswering = gauge("voters_answering", "Voters that have answered this node within one lease, itself included if it votes.")
	voterAnswering  = gauge("voter_answering", "1 while a voter answers this node.", "peer")
	voterAnswerAge  = gauge("voter_answer_age_seconds", "Time since the request that a voter last answered was sent.", "peer")
	voterRoundTrip  = gauge("voter_round_trip_seconds", "Smoothed round trip to a voter.", "peer")
	peerHeardAge    = gauge("peer_heard_age_seconds", "Age of what this node knows of another.", "peer")
	peerSilent      = gauge("peer_silent", "1 while another node is not heard: its agent or host is gone, or cut off.", "peer")

	draining = gauge("draining", "1 while this node is drained.")
	paused   = gauge("handbacks_paused", "1 while hand-backs are paused in the whole cluster.")
	unsaved  = gauge("state_not_saved", "1 while the state file cannot be written, so that this node takes no VIP.")
	fence    = gauge("fence_info", "1, with what closes an address if the agent cannot: nftables, lifetime or off.", "mode")
	detector = gauge("detector_info", "1, with how memcached's death is noticed: process connector or connection end.", "detector")
)

// Each VIP, as this node knows it.
var (
	vipHeld      = gauge("vip_held", "1 while this node holds the VIP: lease, address and announcement.", "vip")
	vipUp        = gauge("vip_address_up", "1 while the VIP's address is on an interface of this node by the agent's doing.", "vip")
	vipRole      = gauge("vip_role", "1, with this node's part in the VIP's lease: idle, candidate, taking, holding or dropping.", "vip", "role")
	vipServed    = gauge("vip_served", "1 while this node knows a holder of the VIP; 0 if nobody holds it, or if no majority tells.", "vip")
	vipAtHome    = gauge("vip_at_home", "1 while the VIP is held by its home.", "vip")
	vipHolder    = gauge("vip_holder", "1, with the node that holds the VIP.", "vip", "holder")
	vipWhy       = gauge("vip_away_reason", "1, with why the VIP is not at home, as agentctl explain names it.", "vip", "reason")
	vipEpoch     = gauge("vip_epoch", "How often the VIP has been taken anew in the life of the cluster's state.", "vip")
	vipHeldFor   = gauge("vip_held_seconds", "For how long the VIP's holder has held it, by its own word.", "vip")
	leaseLeft    = gauge("vip_lease_left_seconds", "What is left of this node's lease of the VIP unless it is renewed; 0 if it has none.", "vip")
	leaseGrants  = gauge("vip_lease_grants", "Voters that granted this node's newest claims of the VIP.", "vip")
	fenceOpen    = gauge("vip_fence_open_seconds", "For how long this host's kernel still lets packets of the VIP pass by itself; 0: closed, or no such fence.", "vip")
	vipClients   = gauge("vip_clients", "Connections of the VIP that this node knows of and would have reset if it took the VIP from a dead host; 1024 at most.", "vip")
	candidates   = gauge("vip_candidates", "Nodes other than the holder that could take the VIP now, their memcached proved clean.", "vip")
	vipCache     = gauge("vip_cache", "1, with what this node's memcached may hold of the VIP: none, unknown, serving, clean, warm or tainted.", "vip", "cache")
	vipStanding  = gauge("vip_ineligible_reason", "1, with why this node may not take the VIP; none told if it may.", "vip", "reason")
	memcachedUp  = gauge("memcached_up", "1 while the memcached answers its probes.", "memcached")
	memcachedWhy = gauge("memcached_reason", "1, with why the memcached is down, or what limits it while it is up.", "memcached", "reason")
	flushStage   = gauge("memcached_flush_stage", "1, with how far the memcached is on its way to a proof: idle, waiting_for_quiet, flushing or restarting.", "memcached", "stage")
)

// memcached's own figures, read when somebody asks for metrics.
var (
	statsUp        = gauge("memcached_stats_up", "1 if the memcached answered stats in time when it was last asked.", "memcached")
	cacheHits      = count("memcached_get_hits_total", "Reads that found their key, since the memcached started.", "memcached")
	cacheMisses    = count("memcached_get_misses_total", "Reads that did not find their key, since the memcached started.", "memcached")
	cacheEvictions = count("memcached_evictions_total", "Items that made room for others before their time.", "memcached")
	cacheDisabled  = count("memcached_listen_disabled_total", "Times that the memcached stopped accepting connections because it had no more.", "memcached")
	cacheConns     = gauge("memcached_connections", "Connections open.", "memcached")
	cacheConnsMax  = gauge("memcached_max_connections", "Connections that the memcached takes.", "memcached")
	cacheItems     = gauge("memcached_items", "Items present.", "memcached")
	cacheBytes     = gauge("memcached_bytes", "Memory that items take.", "memcached")
	cacheBytesMax  = gauge("memcached_limit_bytes", "Memory that items may take.", "memcached")
	cacheUptime    = gauge("memcached_uptime_seconds", "Time since the memcached started.", "memcached")
)

// What has been counted since the agent's start, by those whom it happened to.
var (
	conflicts = count("address_conflicts_total",
		"Claims of a VIP's address by others: foreign hosts, members, too early to tell (unsure), or the former holder's last words.", "kind")
	claimsHeard = count("address_claims_heard_total", "ARP and neighbour advertisements of others that claimed a VIP's address.")
	claimsLost  = count("address_claims_lost_total", "Such claims that were too many to be judged.")
	announced   = count("announcements_total",
		"Bursts of gratuitous ARP or neighbour advertisements: sent, failed, or withheld because the lease was over.", "result")
	directed = count("announcements_directed_total", "Frames of announcements that went to one neighbour alone, by whom clients of a VIP's former holder are reached.")
	recalled = count("recalls_total",
		"Packets that have clients of a VIP's former holder reset: sent, or failed where the kernel did not take them.", "result")
	clientLists = count("client_lists_total",
		"Lists of who is connected to a VIP: told to another node, not told for want of a way, heard in parts, cut where there were too many clients, or without room here (no_room).", "fate")
	answeredTo  = count("conflict_announcements_total", "Announcements that answered somebody else's claim.")
	refreshed   = count("address_refreshes_total", "Times that the kernel was told anew how long an address may stay.")
	restored    = count("addresses_restored_total", "Addresses put back that somebody else had removed.")
	tooLate     = count("addresses_too_late_total", "Addresses removed at once because their lease was over after they were written.")
	sockets     = count("sockets_destroyed_total", "Connections of a VIP that were ended when it left.")
	fenceClosed = count("fence_closed_total", "Times that the agent closed the fence for an address that it was open for.")
	fenceMended = count("fence_restored_total", "Times that the fence's tables were put back after somebody else had changed them.")

	leasesLost      = count("leases_lost_total", "Leases that ended unrenewed while this node held or took what they were for.")
	claimsRefused   = count("claims_refused_total", "Voters' refusals of whole claims of this node, by reason.", "reason")
	renewalsRefused = count("renewals_refused_total", "Voters' refusals to renew a lease of this node, by reason.", "reason")
	ignored         = count("messages_ignored_total", "Answers and claims that were whole and meant nothing any more, by reason.", "reason")
	notSent         = count("messages_not_sent_total", "Lease messages that the kernel did not take.")
	eventsDropped   = count("events_dropped_total", "What other nodes said and the run loop had no room for.")
	movesRefused    = count("moves_refused_total", "Moves that an operator asked for and that were not possible.")
	vipsRefused     = count("vips_refused_total", "Times that this node began to refuse a VIP that it should have taken, or for another reason than before.")
	proofRestarts   = count("restarts_for_proof_total", "Restarts of a memcached that were ordered because nothing else could prove it empty.")
	restartsFailed  = count("restarts_failed_total", "Those whose restart_command came to nothing.")
	hooksRun        = count("hooks_run_total", "Hooks that have ended, however they did.")
	hooksFailed     = count("hooks_failed_total", "Hooks that came to nothing: they reported a failure, could not be begun, took too long (timeout), or had no room to be run at all (dropped).", "reason")
	saves           = count("state_saves_total", "Times that the state file was written or tried to.")
	savesFailed     = count("state_saves_failed_total", "Times that it could not be written.")
	suppressed      = count("log_lines_suppressed_total", "Lines of the log that only repeated others, and were counted instead.")
	slowest         = gauge("loop_slowest_seconds", "The longest that the run loop took for one event since the agent's start.")

	statesHeard = count("gossip_states_heard_total", "States of other nodes that gossip brought.")
	joins       = count("gossip_joins_total", "State exchanges that this node began to make another a member.")
	joinsFailed = count("gossip_joins_failed_total", "Those that came to nothing.")
	packetsLost = count("packets_dropped_total", "Packets and streams of other nodes that were not taken, by reason.", "reason")
)

// What the recorder counts as it happens.
var (
	taken = event("vip_taken_total",
		"Times that this node became the VIP's holder, by what made it claim: named by a voter (hint) or by the former holder (successor), a second try (retry), its own lease taken back (reclaim) or, without a move, gone on with after a restart of the agent (continue).", "vip", "cause")
	released   = event("vip_released_total", "Times that this node let a VIP go that it held, by cause.", "vip", "cause")
	outage     = times("vip_outage_seconds", "Time without a holder before this node took a VIP, as far as it knows.", outageBuckets)
	lastOutage = last("vip_last_outage_seconds", "The same when this node last took the VIP.", "vip")
	lastTaken  = last("vip_last_taken_timestamp_seconds", "When this node last became the VIP's holder, in seconds since 1970.", "vip")
	waits      = event("handback_wait_seconds_total", "Time that this home has waited for its VIP, by what it waited for.", "vip", "reason")

	flushes       = event("flushes_total", "Flushes with the proof that they left nothing: proved or failed.", "memcached", "result")
	flushTime     = times("flush_seconds", "Time from sending a flush to its proof.", flushBuckets)
	proofs        = event("proofs_total", "Times that a memcached was proved clean for a VIP: by a flush (proof) or a restart.", "memcached", "cause")
	restarts      = event("memcached_restarts_total", "Times that restart_command was run.", "memcached")
	downs         = event("memcached_downs_total", "Times that a memcached was found down, by reason.", "memcached", "reason")
	fenceFailed   = event("fence_failed_total", "Times that a held address's fence could not be renewed, so that it went to another node.")
	leaseAtRenew  = times("lease_renewal_left_ratio", "What was left of a lease when it was renewed, as a share of it; some 0.7 if no renewal is lost.", renewBuckets)
	received      = event("messages_received_total", "Lease messages of other nodes, by kind.", "kind")
	sent          = event("messages_sent_total", "Lease messages to other nodes, by kind.", "kind")
	stepTime      = times("loop_step_seconds", "Time from an event to the last of its effects in the run loop.", stepBuckets)
	probeTime     = times("probe_seconds", "Time to the answer of a probe, the connect of a fresh connection included.", probeBuckets, "memcached", "connection")
	probeFailures = event("probe_failures_total", "Probes that were not answered as they should be, by reason.", "memcached", "connection", "reason")
)

// Seconds. Outages are a few milliseconds when planned, a lease when a host dies; probes some 0.1 ms; steps less.
var (
	outageBuckets = []float64{0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	flushBuckets  = []float64{0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10}
	probeBuckets  = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1}
	stepBuckets   = []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5}
	renewBuckets  = []float64{0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8}
)
