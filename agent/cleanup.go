package agent

import (
	"errors"
	"strings"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/vip"
)

// Cleanup removes the addresses that a dead agent left on the links of this network namespace, but for those that
// it left up on purpose, as long as their leases last: they are for the agent that is started next. It refuses,
// with a *RunningError, while an agent lives in the runtime directory. log may be nil.
func Cleanup(runtimeDir string, log *logrus.Logger) error {
	boot, err := hostBoot()
	if err != nil {
		return err
	}
	return cleanup(runtimeDir, newDiary(log), func() core.Durable {
		state, _, _ := newStateFile(runtimeDir).Load(boot) // what cannot be trusted has marked nothing
		return state
	})
}

// cleanup removes what is left but for what the state marks. The state is read when no agent writes it any more.
func cleanup(runtimeDir string, d *diary, state func() core.Durable) error {
	unlock, err := lockDir(runtimeDir)
	if err != nil {
		return err
	}
	defer unlock()
	marked := state()
	return sweep(d, &marked)
}

// nothingMarked has everything removed.
func nothingMarked() core.Durable { return core.Durable{} }

// sweep removes what carries our tag on the links of this network namespace and is not marked to be kept.
func sweep(d *diary, state *core.Durable) (err error) {
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
		if state.Keeps(core.Name(left.Prefix.Addr().String()), boottime()) {
			d.change(fields, "address left up for the agent that is started next")
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
