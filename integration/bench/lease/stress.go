package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"memvip/integration/lab"
)

// stress is what goes on around the agents.
type stress struct {
	name string
	what string

	burners int  // processes for each core that take all its time
	memory  bool // they take the memory's bandwidth too
	loss    int  // of a thousand UDP packets
	gc      bool // agents collect garbage all the time

	// daily: an ordinary day may bring it, so a lease has to bear it. The others show what comes then.
	daily bool
}

// stresses are all of them, in the order in which they are printed.
var stresses = []stress{
	{name: "none", what: "nothing", daily: true},
	{name: "cpu", what: "2 processes per core that take all its time", burners: 2, daily: true},
	{name: "gc", what: "agents with " + strings.Join(gcEnv, " ") + ", 1 process per core that takes the memory's bandwidth", burners: 1, memory: true, gc: true, daily: true},
	{name: "loss-1", what: "1 % of all UDP packets lost", loss: 10, daily: true},
	{name: "loss-5", what: "5 % lost", loss: 50, daily: true},
	{name: "loss-10", what: "10 % lost", loss: 100},
	{name: "loss-20", what: "20 % lost", loss: 200},
	{name: "cpu+loss-5", what: "cpu and loss-5 at once", burners: 2, loss: 50, daily: true},
}

// gcEnv makes an agent's garbage collector run all the time: at a heap 5 % larger than what is alive, or near a limit that
// the runtime hardly fits in.
var gcEnv = []string{"GOGC=5", "GOMEMLIMIT=8MiB"}

// begin puts labs under the stress, until end is called. Processes that burn time do so for all of them.
func (s stress) begin(labs []*lab.Lab) (end func() error, err error) {
	stop := func() {}
	if n := s.burners * runtime.NumCPU(); n > 0 {
		burn := labs[0].Burn
		if s.memory {
			burn = labs[0].BurnMemory
		}
		if stop, err = burn(n); err != nil {
			return nil, err
		}
	}
	end = func() error {
		stop()
		return lose(labs, 0)
	}
	if err := lose(labs, s.loss); err != nil {
		return nil, errors.Join(err, end())
	}
	return end, nil
}

func lose(labs []*lab.Lab, perMille int) (err error) {
	for _, l := range labs {
		err = errors.Join(err, l.Lose(perMille))
	}
	return err
}

// chooseStresses finds stresses by name, in the order of the list of all; "" stands for all.
func chooseStresses(names string) ([]stress, error) {
	if names == "" {
		return stresses, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []stress
	for _, s := range stresses {
		if wanted[s.name] {
			chosen = append(chosen, s)
			delete(wanted, s.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("-stress: no stress %q; -list names them all", name)
	}
	return chosen, nil
}

// class is how agents are scheduled.
type class string

const (
	unitClass     class = "unit"     // as their unit says: before everything else
	ordinaryClass class = "ordinary" // like everybody, as where a container forbids more
)

var classes = []class{unitClass, ordinaryClass}

func (c class) what() string {
	if c == unitClass {
		return "agents in the real-time class of their unit"
	}
	return "agents in the ordinary scheduling class"
}
