package configs

import (
	"slices"
	"strings"
)

// Agent is how the agents themselves behave.
type Agent struct {
	Stop     Stop
	Log      LogFormat
	LogLevel LogLevel
}

// A LogFormat says how the log is written.
type LogFormat string

// The forms of the log.
const (
	LogAuto    LogFormat = "auto"    // the journal where standard error leads there, else text
	LogText    LogFormat = "text"    // key=value
	LogJSON    LogFormat = "json"    // an object on each line
	LogJournal LogFormat = "journal" // entries of systemd's journal, with fields
)

// A LogLevel says which lines are written: those of its own level and of worse ones.
type LogLevel string

// The levels, the worst first.
const (
	LogError   LogLevel = "error"
	LogWarning LogLevel = "warning"
	LogInfo    LogLevel = "info"
	LogDebug   LogLevel = "debug"
)

// A Stop says what an agent that is told to end does with the addresses it holds.
type Stop string

// The ways to end.
const (
	StopHandover Stop = "handover" // gives them to other nodes first
	StopKeep     Stop = "keep"     // leaves them up for the agent that is started next, as long as their leases last
)

// readAgent reads [agent].
func readAgent(t *table, fence Fence) Agent {
	a := Agent{
		Stop:     oneWord(t, "stop", stopDefault, "way to end", StopHandover, StopKeep),
		Log:      oneWord(t, "log", logFormatDefault, "form of the log", LogAuto, LogText, LogJSON, LogJournal),
		LogLevel: oneWord(t, "log_level", logLevelDefault, "level", LogError, LogWarning, LogInfo, LogDebug),
	}
	if a.Stop == StopKeep && fence == FenceOff {
		t.warn("stop", `%q without a fence: where no agent comes back within the lease, this host goes on answering beside the next holder for some seconds`, a.Stop)
	}
	t.done()
	return a
}

// oneWord reads a key that has a closed set of values, which is named in the message about any other.
func oneWord[T ~string](t *table, key string, byDefault T, what string, known ...T) T {
	quoted := make([]string, len(known))
	for i, k := range known {
		quoted[i] = quote(string(k))
	}
	last := len(quoted) - 1
	expected := strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	s, ok := t.text(key, expected)
	if !ok {
		return byDefault
	}
	if slices.Contains(known, T(s)) {
		return T(s)
	}
	t.bad(key, quote(s)+" is no "+what, expected)
	return byDefault
}
