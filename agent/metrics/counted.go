package metrics

import (
	"strings"

	"memvip/agent/core"
	"memvip/agent/gossip"
)

// counter is a series of a counted name in a report.
type counter struct {
	family *Family
	labels []string
}

// counters are the names of a report's counters that are told. The others are told in another way; see leftOut.
var counters = map[string]counter{
	"conflict":             {conflicts, []string{"foreign"}},
	"member_conflict":      {conflicts, []string{"member"}},
	"conflict_unsure":      {conflicts, []string{"unsure"}},
	"last_words":           {conflicts, []string{"last_words"}},
	"claims_of_others":     {claimsHeard, nil},
	"announced_again":      {answeredTo, nil},
	"announcements":        {announced, []string{"sent"}},
	"announcements_failed": {announced, []string{"failed"}},

	"announcements_directed": {directed, nil},
	"recalls_sent":           {recalled, []string{"sent"}},
	"recalls_failed":         {recalled, []string{"failed"}},
	"client_lists_told":      {clientLists, []string{"told"}},
	"client_lists_not_told":  {clientLists, []string{"not_told"}},
	"client_lists_heard":     {clientLists, []string{"heard"}},
	"client_lists_cut":       {clientLists, []string{"cut"}},
	"client_lists_no_room":   {clientLists, []string{"no_room"}},

	"announcements_withheld": {announced, []string{"withheld"}},
	"claims_of_others_lost":  {claimsLost, nil},
	"addresses_refreshed":    {refreshed, nil},
	"addresses_restored":     {restored, nil},
	"addresses_too_late":     {tooLate, nil},
	"sockets_destroyed":      {sockets, nil},
	"fence_closed":           {fenceClosed, nil},
	"fence_restored":         {fenceMended, nil},

	"lease_lost":            {leasesLost, nil},
	"claim_without_vote":    {ignored, []string{"claim_without_vote"}},
	"answer_of_no_voter":    {ignored, []string{"answer_of_no_voter"}},
	"answer_to_former_life": {ignored, []string{"answer_to_former_life"}},
	"answer_too_late":       {ignored, []string{"answer_too_late"}},
	"messages_not_sent":     {notSent, nil},
	"events_dropped":        {eventsDropped, nil},
	"move_refused":          {movesRefused, nil},
	"refusal":               {vipsRefused, nil},
	"restart_for_proof":     {proofRestarts, nil},
	"restart_failed":        {restartsFailed, nil},
	"saves":                 {saves, nil},
	"saves_failed":          {savesFailed, nil},
	"log_lines_repeated":    {suppressed, nil},

	"hooks_run":       {hooksRun, nil},
	"hooks_failed":    {hooksFailed, []string{"failure"}},
	"hooks_timed_out": {hooksFailed, []string{"timeout"}},
	"hooks_dropped":   {hooksFailed, []string{"dropped"}},
}

// leftOut are those that would be told twice, with where they are told.
var leftOut = map[string]*Family{
	"flush_failed":     flushes,
	"save_failed":      savesFailed,
	"address_restored": restored,
	"messages_sent":    sent,
	"loop_steps":       stepTime,
	"loop_slowest_us":  slowest,
}

// Tells reports whether a counted name of a report is told, in whatever way.
func Tells(name string) bool {
	_, told := counters[name]
	return told || leftOut[name] != nil || strings.HasPrefix(name, claimRefusedPrefix) || strings.HasPrefix(name, renewalRefusedPrefix)
}

// Counted names of a report that carry one of core's refusals.
const (
	claimRefusedPrefix   = "refused_"
	renewalRefusedPrefix = "renewal_"
)

// refusals are core's reasons to refuse.
var refusals = []core.Refusal{
	core.WrongIncarnation, core.Silent, core.NotUnderstood, core.OtherList, core.SameName, core.TooLong, core.OldRequest, core.Held, core.Reserved,
}

// collectCounted tells the counters, those that nothing has counted yet as 0: else Prometheus would not see the first.
func (c *collection) collectCounted() {
	told := c.look.Report.Counters
	for name, to := range counters {
		c.put(to.family, float64(told[name]), to.labels...)
	}
	for _, r := range refusals {
		c.put(claimsRefused, float64(told[claimRefusedPrefix+r.String()]), r.String())
		c.put(renewalsRefused, float64(told[renewalRefusedPrefix+r.String()]), r.String())
	}
	c.put(slowest, float64(told["loop_slowest_us"])/1e6)
	g := c.look.Gossip
	c.put(statesHeard, float64(g.StatesHeard))
	c.put(joins, float64(g.Joins))
	c.put(joinsFailed, float64(g.JoinFailed))
	for _, r := range gossip.DropReasons() {
		c.put(packetsLost, float64(g.Dropped[r]), r.String())
	}
}
