package agent

import (
	"runtime/debug"
	"sync"
)

// stamped is what the Makefile names the build by: the tag or commit, with "-dirty" where files differ.
var stamped string

// Version names this build: as it was stamped, else the module's version, else the commit it was built from.
var Version = sync.OnceValue(func() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	switch {
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	case commit != "":
		return commit + changed
	}
	return "devel"
})
