package agent

import (
	"errors"
	"strings"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/vip"
)

// Cleanup removes the addresses that a dead agent left on the links of this network namespace, but for those whose
// leases last: those that it left up on purpose, and those that the kernel closes by itself when they are over. They are
// for the agent that is started next. It refuses, with a *RunningError, while an agent lives in the runtime directory.
// log may be nil.
func Cleanup(runtimeDir string, log *logrus.Logger) error {
	boot, err := hostBoot()
	if err != nil {
		return err
	}
	return cleanup(runtimeDir, newDiary(log), func() sparing {
		state, _, _ := newStateFile(runtimeDir).Load(boot) // what cannot be trusted has marked nothing
		return func(m *vip.Manager, a vip.Address) string {
			switch {
			case state.Keeps(core.Name(a.Prefix.Addr().String()), boottime()):
				return "address left up for the agent that is started next"
			case m.FencedIn(a) > 0:
				return "address left to the fence, which ends it unless an agent is started before"
			}
			return ""
		}
	})
}

// sparing says why an address is left alone; "" if it is not.
type sparing func(*vip.Manager, vip.Address) string

// nothing spares nothing.
func nothing() sparing { return func(*vip.Manager, vip.Address) string { return "" } }

// cleanup removes what is left but for what is spared. What that is, is asked when no agent changes it any more.
func cleanup(runtimeDir string, d *diary, spare func() sparing) error {
	unlock, err := lockDir(runtimeDir)
	if err != nil {
		return err
	}
	defer unlock()
	return sweep(d, spare())
}

// sweep removes what is ours on the links of this network namespace and is not spared.
func sweep(d *diary, spared sparing) (err error) {
	m, err := vip.Open(vip.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	leftovers, err := m.Leftovers()
	if err != nil {
		return err
	}
	var errs []error
	for _, left := range leftovers {
		fields := logrus.Fields{fieldAddress: left.Prefix.String(), fieldLink: left.Link}
		if why := spared(m, left); why != "" {
			d.change(fields, why)
			continue
		}
		if _, err := m.Drop(left); err != nil && !isDown(err) {
			errs = append(errs, err)
			continue
		}
		d.change(fields, "leftover address removed")
	}
	return errors.Join(errs...)
}

// leftUp is how a life's last line names the addresses that stay up; nil if there are none.
func leftUp(kept []core.KeptRecord) logrus.Fields {
	if len(kept) == 0 {
		return nil
	}
	names := make([]string, len(kept))
	for i, k := range kept {
		names[i] = string(k.Name)
	}
	return logrus.Fields{fieldKept: strings.Join(names, ",")}
}
