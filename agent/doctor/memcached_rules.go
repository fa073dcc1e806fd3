package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"memvip/flush"
	"memvip/health"
)

// rule is one option of memcached that matters. The texts follow "memcached ADDRESS".
type rule struct {
	check    Check
	severity Severity
	broken   func(*host, instance, flush.Account) bool
	fine     string
	what     string
	why      string
	mend     string
}

func (r rule) judge(h *host, in instance, a flush.Account) Finding {
	if !r.broken(h, in, a) {
		return fine(r.check, in.subject(), "memcached %s %s", in.address, r.fine)
	}
	return Finding{
		Check: r.check, Severity: r.severity, Subject: in.subject(),
		What: fmt.Sprintf("memcached %s %s", in.address, r.what), Why: r.why, Mend: r.mend,
	}
}

// rules are about single options. Versions that do not know a setting have no value for it. The facts behind them were measured on 1.6.18 to 1.6.45.
var rules = []rule{
	{
		check: CheckFlush, severity: Failure,
		broken: func(_ *host, _ instance, a flush.Account) bool { return !a.FlushEnabled },
		fine:   "accepts flush_all",
		what:   "refuses flush_all (-F)",
		why:    "once it has served an address nothing but a restart proves it clean, and this node takes no address",
		mend:   "run memcached without -F",
	},
	{
		check: CheckEmptying, severity: Failure,
		broken: func(_ *host, in instance, a flush.Account) bool { return emptiesNever(a) && len(in.command) == 0 },
		fine:   "frees what was flushed, or may be restarted",
		what:   "has neither LRU maintainer nor crawler (-o no_modern)",
		why:    "what was flushed stays in memory, so no flush can be proved, and no restart_command is configured",
		mend:   "run memcached without no_modern, no_lru_maintainer and no_lru_crawler",
	},
	{
		check: CheckMemoryFile, severity: Warning,
		broken: func(_ *host, _ instance, a flush.Account) bool { return a.MemoryFile },
		fine:   "forgets everything when it is restarted",
		what:   "keeps its items in a file over a restart (-e), or does not say that it does not",
		why:    "a restart is no proof that it is empty: every way to a clean cache takes a flush, and restart_command is of no use",
		mend:   "run memcached without -e",
	},
	{
		check: CheckAuth, severity: Failure,
		broken: func(_ *host, _ instance, a flush.Account) bool {
			return a.Settings["auth_enabled_sasl"] == "yes" || a.Settings["auth_enabled_ascii"] == "yes"
		},
		fine: "wants no login",
		what: "wants a login (-S or -Y)",
		why:  "the agent has none: it can neither flush it nor prove it empty",
		mend: "run memcached without -S and -Y, on loopback and the VIPs only",
	},
	{
		check: CheckIdleTimeout, severity: Warning,
		broken: func(h *host, _ instance, a flush.Account) bool {
			seconds, err := strconv.Atoi(a.Settings["idle_timeout"])
			return err == nil && seconds > 0 && time.Duration(seconds)*time.Second <= health.IdleInterval(h.config.Health.Interval, h.config.Health.FreshInterval)
		},
		fine: "leaves the probes' connection open",
		what: "closes connections that are idle for as long as probes are apart (-o idle_timeout)",
		why:  "each time the agent takes the end of its connection for a sign of death and looks again",
		mend: "run memcached with a longer idle_timeout, or make health.interval shorter",
	},
	{
		check: CheckUDP, severity: Warning,
		broken: func(_ *host, _ instance, a flush.Account) bool {
			return a.Settings["udpport"] != "" && a.Settings["udpport"] != "0"
		},
		fine: "answers no UDP",
		what: "answers UDP (-U)",
		why:  "anybody who can send one datagram, with a forged sender too, can write and flush; and no connection shows it",
		mend: "run memcached with -U 0",
	},
	{
		check: CheckShutdown, severity: Warning,
		broken: func(_ *host, _ instance, a flush.Account) bool {
			return a.Settings["shutdown_command"] == "yes" && !onlyLoopback(a)
		},
		fine: "is not to be shut down by clients",
		what: "lets any client shut it down (-A)",
		why:  "one command by anybody moves every address of this host",
		mend: "run memcached without -A",
	},
	{
		check: CheckCrash, severity: Warning,
		broken: func(_ *host, _ instance, a flush.Account) bool {
			return a.Settings["slab_reassign"] == "no" && !before(a.Version, 1, 6, 34)
		},
		fine: "has no option that is known to crash it",
		what: "runs without slab_reassign (-o no_modern), and is newer than 1.6.33",
		why:  "1.6.38 and 1.6.45 crash so when their hash table first grows, at some 98,000 items",
		mend: "run memcached without no_modern and no_slab_reassign",
	},
	{
		check: CheckCAS, severity: Warning,
		broken: func(_ *host, _ instance, a flush.Account) bool {
			return a.Settings["cas_enabled"] == "no" && before(a.Version, 1, 6, 25)
		},
		fine: "keeps what is written right after a flush",
		what: "runs without CAS (-C), and is older than 1.6.25",
		why:  "what is written within a second after a flush is lost, and so right after an address went home",
		mend: "run memcached without -C",
	},
}

func emptiesNever(a flush.Account) bool {
	return a.Settings["lru_maintainer_thread"] == "no" && a.Settings["lru_crawler"] == "no"
}

func onlyLoopback(a flush.Account) bool {
	for _, l := range a.Listeners {
		if !l.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// The oldest version that memvip is tried with: Debian 12's.
const oldestMajor, oldestMinor, oldestPatch = 1, 6, 18

func version(in instance, a flush.Account) Finding {
	if _, _, _, ok := parseVersion(a.Version); !ok {
		return Finding{
			Check: CheckVersion, Severity: Warning, Subject: in.subject(), What: fmt.Sprintf("memcached %s calls itself %.40q, which is no version", in.address, a.Version),
			Why: "it may be another program than memcached, which memvip was never tried with", Mend: fmt.Sprintf("ss -tlnp 'sport = :%d'", in.address.Port()),
		}
	}
	if before(a.Version, oldestMajor, oldestMinor, oldestPatch) {
		return Finding{
			Check: CheckVersion, Severity: Warning, Subject: in.subject(), What: fmt.Sprintf("memcached %s is %s, older than any that memvip is tried with (%d.%d.%d)", in.address, a.Version, oldestMajor, oldestMinor, oldestPatch),
			Why: "what its figures say after a flush was never measured", Mend: "apt-get install memcached, or the newest package for this system",
		}
	}
	return fine(CheckVersion, in.subject(), "memcached %s is %s", in.address, a.Version)
}

// before reports whether a version is older than another. One that cannot be read is not.
func before(version string, major, minor, patch int) bool {
	a, b, c, ok := parseVersion(version)
	return ok && (a < major || a == major && (b < minor || b == minor && c < patch))
}

// parseVersion reads "1.6.18", and what distributions make of it, such as "1.6.18-beta1" or "1.6.18_4".
func parseVersion(version string) (major, minor, patch int, ok bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return 0, 0, 0, false
	}
	digits := func(r rune) bool { return r < '0' || r > '9' }
	if end := strings.IndexFunc(parts[2], digits); end >= 0 {
		parts[2] = parts[2][:end]
	}
	var numbers [3]int
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil {
			return 0, 0, 0, false
		}
		numbers[i] = n
	}
	return numbers[0], numbers[1], numbers[2], true
}
