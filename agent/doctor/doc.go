// Package doctor looks for what will break a failover, or breaks it now, and says how to mend it.
//
// It only looks: nothing that it does changes a host, a memcached or a lease. Host sees one host, with or without an
// agent on it; Reach tries the ways to the other nodes; Cluster reads what the agents said; ClockRates compares clocks.
// Each returns findings, one for each check and subject, those that are fine among them.
//
// What it does not promise: that UDP passes where TCP does (Cluster sees that, once agents run), that a memcached which
// accepts flush_all empties itself (the proof of a flush finds out), or that what is fine now stays so.
//
// # The schema
//
// As JSON a finding is an object with the fields of Finding. Within one Schema, fields and checks are only added, and a
// check keeps its id and its meaning. What agentctl prints is a Diagnosis, which has the findings of all nodes. What, Why and Mend are for people and may be worded anew at any time.
//
// # Exit codes
//
// Severity.ExitCode of Worst, as monitoring plug-ins have them: 0 all fine, 1 warnings, 2 failures, 3 something could
// not be looked at. A failure outweighs what could not be looked at, and that outweighs a warning: who sees 1 knows that
// everything was seen.
package doctor
