package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"memvip/agent/sim/size"
	"memvip/integration/lab"
)

// settings are what the command line and the environment say.
type settings struct {
	real, sim []int // nodes
	repeats   int   // of each failure, where there are hosts enough
	steady    time.Duration
	simSteady time.Duration // simulated
	quiet     bool          // nodes tell each other nothing in the simulator
	seed      uint64
	report    bool   // measure nothing
	data      string // where everything is kept
	anew      bool   // what is there is forgotten
	page      string // "" for none
	bin       string // folder of memvip-agent and agentctl
}

const (
	realDefault = "3,10,30,100"
	simDefault  = "3,10,100,1000"
	dataDefault = "bin/bench-size.json"

	realQuick   = "3,5"
	simQuick    = "3,10,20"
	dataQuick   = "bin/bench-size-quick.json"
	steadyQuick = 3 * time.Second

	// realMin is also the number of voters.
	realMin, realMax = 3, 120
)

// errHelp says that the usage was asked for and printed.
var errHelp = errors.New("help")

// parse reads the command line. Usage goes to out.
func parse(args []string, out io.Writer) (settings, error) {
	set := settings{bin: cmp.Or(os.Getenv(lab.BinVar), lab.BinDefault)}
	flags := flag.NewFlagSet("bench-size", flag.ContinueOnError)
	flags.SetOutput(out)
	real := flags.String("real", realDefault, "real agents in network namespaces, as `N,...`; \"\" for none")
	sim := flags.String("sim", simDefault, "nodes in the simulator, as `N,...`; \"\" for none")
	flags.IntVar(&set.repeats, "repeats", 5, "of each failure, where there are hosts enough")
	flags.DurationVar(&set.steady, "steady", 30*time.Second, "for which costs are measured while nothing happens")
	flags.DurationVar(&set.simSteady, "sim-steady", 5*time.Second, "likewise, in simulated time; longer where states are told less often")
	flags.BoolVar(&set.quiet, "quiet", false, "simulated nodes tell each other their states in claims only, which saves most of the time for 1,000 nodes")
	flags.Uint64Var(&set.seed, "seed", 1, "of the simulator")
	flags.BoolVar(&set.report, "report", false, "measure nothing, print what was measured")
	flags.StringVar(&set.data, "data", dataDefault, "`FILE` that keeps what was measured; a further call goes on from there")
	flags.StringVar(&set.page, "page", "", "write the report into its section of this `FILE`")
	quick := flags.Bool("quick", false, "few nodes and one failure of each kind, unless told otherwise, and forgotten by the next: does it work?")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return set, errHelp
	case err != nil:
		return set, err
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *quick {
		set.beQuick(flags, real, sim)
	}
	return set, set.choose(*real, *sim)
}

// beQuick sets what was not told otherwise.
func (set *settings) beQuick(flags *flag.FlagSet, real, sim *string) {
	set.anew, set.page = !set.report, "" // nothing to publish
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, otherwise := range map[string]func(){
		"real":    func() { *real = realQuick },
		"sim":     func() { *sim = simQuick },
		"data":    func() { set.data = dataQuick },
		"repeats": func() { set.repeats = 1 },
		"steady":  func() { set.steady = steadyQuick },
	} {
		if !given[name] {
			otherwise()
		}
	}
}

// choose reads the lists.
func (set *settings) choose(real, sim string) (err error) {
	if set.repeats < 1 || set.steady < time.Second || set.simSteady < time.Second {
		return fmt.Errorf("-repeats %d, -steady %s, -sim-steady %s: want 1 and a second at least", set.repeats, set.steady, set.simSteady)
	}
	if set.real, err = numbers("-real", real, realMin, realMax); err != nil {
		return err
	}
	set.sim, err = numbers("-sim", sim, size.NodesMin, size.NodesMax)
	return err
}

// numbers reads a list, and puts it in order.
func numbers(flag, list string, low, high int) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var all []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < low || n > high {
			return nil, fmt.Errorf("%s: %q: want numbers from %d to %d", flag, text, low, high)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
