package doctor

import (
	"context"
	"slices"
	"sync"

	"memvip/configs"
)

// Alone is Host and Reach for the node that this host is to be, from the configuration file itself.
func Alone(ctx context.Context, path, node string, o Options) []Finding {
	config, err := configs.Load(path)
	if err != nil {
		return seenBy(node, unloaded(path, err))
	}
	var host, ways []Finding
	var looking sync.WaitGroup
	looking.Go(func() { host = Host(ctx, config, node, o) })
	looking.Go(func() { ways = Reach(ctx, config, node) })
	looking.Wait()
	return slices.Concat(host, ways)
}

// unloaded has a finding for every mistake in a configuration that cannot be loaded.
func unloaded(path string, err error) []Finding {
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	var list []Finding
	for _, m := range mistakes {
		list = append(list, Finding{
			Check: CheckConfigFile, Severity: Failure, Subject: path, What: m.Error(),
			Why: "an agent does not start with this file, and nothing else could be looked at", Mend: "agentctl check " + path,
		})
	}
	return list
}
