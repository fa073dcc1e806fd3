package agent

import (
	"errors"

	"github.com/sirupsen/logrus"

	"memvip/vip"
)

// Cleanup removes the addresses that a dead agent left on the links of this network namespace. It
// refuses, with a *RunningError, while an agent lives in the runtime directory. log may be nil.
func Cleanup(runtimeDir string, log *logrus.Logger) (err error) {
	unlock, err := lockDir(runtimeDir)
	if err != nil {
		return err
	}
	defer unlock()
	m, err := vip.Open(vip.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	leftovers, err := m.Leftovers()
	if err != nil {
		return err
	}
	diary := newDiary(log)
	var errs []error
	for _, left := range leftovers {
		if _, err := m.Drop(left); err != nil && !isDown(err) {
			errs = append(errs, err)
			continue
		}
		diary.change(logrus.Fields{fieldAddress: left.Prefix.String(), fieldLink: left.Link}, "leftover address removed")
	}
	return errors.Join(errs...)
}
