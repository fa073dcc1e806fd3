package agent

import (
	"errors"
	"fmt"
	"strings"

	"memvip/agent/core"
	"memvip/configs"
	"memvip/vip"
)

// Check says whether an agent with these options could go on where the last one on this host stands, or stood: its
// configuration and key, the node that it is to be, an interface for every address, what the process may do, the fence if
// it is to be nftables, the state that was left, and whether the voters are those that it went by or one more or less.
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
	if err := checkFence(a.config); err != nil {
		return err
	}
	boot, err := hostBoot()
	if err != nil {
		return err
	}
	state, valid, problem := newStateFile(o.RuntimeDir).Load(boot)
	if problem != "" {
		return errors.New("state: " + problem)
	}
	if valid {
		return checkVoters(a.config, state.Voters)
	}
	return nil
}

// checkVoters refuses a list of voters that a machine would not go on to from the one it goes by.
func checkVoters(c *configs.Config, inForce []string) error {
	if problem := core.VotersApart(inForce, votersOf(c)); problem != "" {
		return fmt.Errorf("%s: cluster.voters: %s", c.Path, problem)
	}
	return nil
}

// checkFence asks for the fence that the agent would not start without.
func checkFence(c *configs.Config) error {
	if c.Cluster.Fence != configs.FenceNftables {
		return nil
	}
	if err := vip.NFTables(); err != nil {
		return fmt.Errorf("%w: nftables: %w", vip.ErrFence, err)
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
