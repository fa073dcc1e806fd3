package agent

import (
	"errors"
	"fmt"
	"strings"

	"memvip/vip"
)

// Check says whether an agent with these options could go on where the last one on this host stands, or stood: its
// configuration and key, the node that it is to be, an interface for every address, what the process may do, and
// the state that was left.
// It changes nothing. The error is one of Run's, or says why the state could not be gone on with; see ExitCode.
func Check(o Options) error {
	o.Output = nil // its lines are for who asks, not for where the agent's log goes
	a := &agent{options: o, diary: newDiary(o.Log)}
	if err := a.openConfig(); err != nil {
		return err
	}
	if err := CheckNode(a.config, a.self.Name); err != nil {
		return err
	}
	if err := checkCapabilities(); err != nil {
		return err
	}
	boot, err := hostBoot()
	if err != nil {
		return err
	}
	if _, _, problem := newStateFile(o.RuntimeDir).Load(boot); problem != "" {
		return errors.New("state: " + problem)
	}
	return nil
}

// checkCapabilities names what this process lacks to change addresses. A file that replaces another may lack the
// capabilities that it had.
func checkCapabilities() error {
	lacks, err := vip.MissingCapabilities()
	if err != nil {
		return err
	}
	if len(lacks) > 0 {
		return fmt.Errorf("%w %s", vip.ErrCapability, strings.Join(lacks, ", "))
	}
	return nil
}
