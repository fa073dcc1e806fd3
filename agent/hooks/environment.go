package hooks

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"memvip/agent/layout"
	"memvip/flush/command"
)

// prefix is that of every variable that a hook is told its facts by. What else has it is not passed on.
const prefix = "MEMVIP_"

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// variable is one fact.
type variable struct {
	name  string
	value func(Event) string
}

// variables are all facts, in the order of HOOKS.md. Each is always set; one that has no value is empty.
var variables = []variable{
	{"MEMVIP_EVENT", func(e Event) string { return string(e.Kind) }},
	{"MEMVIP_VIP", func(e Event) string { return e.VIP }},
	{"MEMVIP_NODE", func(e Event) string { return e.Node }},
	{"MEMVIP_HOME", func(e Event) string { return e.Home }},
	{"MEMVIP_PEER", func(e Event) string { return e.Peer }},
	{"MEMVIP_REASON", func(e Event) string { return e.Reason }},
	{"MEMVIP_TEXT", func(e Event) string { return e.Text }},
	{"MEMVIP_EPOCH", epoch},
	{"MEMVIP_MAC", func(e Event) string { return e.MAC }},
	{"MEMVIP_INTERFACE", func(e Event) string { return e.Interface }},
	{"MEMVIP_CLUSTER", func(e Event) string { return e.Cluster }},
	{"MEMVIP_TIME", func(e Event) string { return e.Time.UTC().Truncate(time.Millisecond).Format(timeLayout) }},
}

func epoch(e Event) string {
	if e.Epoch == 0 {
		return ""
	}
	return strconv.FormatUint(e.Epoch, 10)
}

// environment is that of a hook: the agent's own as far as it concerns a command, and the facts.
func environment(e Event) []string {
	list := slices.DeleteFunc(command.Environment(), func(v string) bool { return strings.HasPrefix(v, prefix) })
	for _, v := range variables {
		list = append(list, v.name+"="+clean(v.value(e)))
	}
	return list
}

// clean keeps what others told from acting on whatever the hook prints it on, and from being too much for a command:
// a zero byte would keep it from being run at all.
func clean(value string) string {
	if len(value) > textBytesMax {
		value = strings.ToValidUTF8(value[:textBytesMax], "")
	}
	return layout.Printable(value)
}
