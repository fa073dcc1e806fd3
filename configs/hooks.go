package configs

import "time"

// Hooks are the commands that an agent runs when something has happened to a VIP, each an argv that is run without a
// shell; nil where nothing is to be run. What they are told is documented in package agent/hooks.
type Hooks struct {
	Claim    []string // an address is up and announced here
	Release  []string // it is down, and its lease given back or lost
	Refusal  []string // this node does not take a VIP that it should, or could
	Conflict []string // another host claims an address

	Timeout time.Duration // for one run of any of them
}

// A Hook is one command of Hooks.
type Hook struct {
	Key     string // in [hooks]
	Command []string
}

// All returns the commands that are set, in the order of the documentation.
func (h Hooks) All() []Hook {
	var set []Hook
	for _, hook := range []Hook{{"claim", h.Claim}, {"release", h.Release}, {"refusal", h.Refusal}, {"conflict", h.Conflict}} {
		if hook.Command != nil {
			set = append(set, hook)
		}
	}
	return set
}

// readHooks reads [hooks].
func readHooks(t *table) Hooks {
	h := Hooks{
		Claim: readHook(t, "claim"), Release: readHook(t, "release"), Refusal: readHook(t, "refusal"), Conflict: readHook(t, "conflict"),
		Timeout: t.duration("timeout", hookTimeoutSetting),
	}
	t.done()
	return h
}

// readHook reads one command; an empty array is none.
func readHook(t *table, key string) []string {
	if a, ok := array(t.values[key]); ok && len(a) == 0 {
		_, _ = t.take(key)
		return nil
	}
	return t.argv(key, `a command and its arguments, such as ["/usr/local/sbin/vip-moved", "claimed"], or [] for none`)
}
