package configs

// Agent is how the agents themselves behave.
type Agent struct {
	Stop Stop
}

// A Stop says what an agent that is told to end does with the addresses it holds.
type Stop string

// The ways to end.
const (
	StopHandover Stop = "handover" // gives them to other nodes first
	StopKeep     Stop = "keep"     // leaves them up for the agent that is started next, as long as their leases last
)

// readAgent reads [agent].
func readAgent(t *table, fence Fence) Agent {
	a := Agent{Stop: readStop(t)}
	if a.Stop == StopKeep && fence == FenceOff {
		t.warn("stop", `%q without a fence: where no agent comes back within the lease, this host goes on answering beside the next holder for some seconds`, a.Stop)
	}
	t.done()
	return a
}

func readStop(t *table) Stop {
	const expected = `"handover" or "keep"`
	s, ok := t.text("stop", expected)
	if !ok {
		return stopDefault
	}
	switch stop := Stop(s); stop {
	case StopHandover, StopKeep:
		return stop
	default:
		t.bad("stop", quote(s)+" is no way to end", expected)
		return stopDefault
	}
}
