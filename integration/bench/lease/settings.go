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

	"memvip/agent/core"
	"memvip/integration/lab"
)

// settings are what the command line and the environment say.
type settings struct {
	leases   []time.Duration
	stresses []stress
	classes  []class
	time     time.Duration // for which each combination is looked at, all its slices together
	slice    time.Duration
	together int // leases that are looked at at the same time
	list     bool
	report   bool   // measure nothing
	data     string // where everything is kept
	anew     bool   // what is there is forgotten
	page     string // "" for none
	bin      string // folder of memvip-agent and agentctl
}

const (
	leasesDefault  = "200,300,400,600,1000,2000"
	minutesDefault = 10
	sliceDefault   = 20 * time.Second
	dataDefault    = "bin/bench-lease.json"

	sliceQuick  = 3 * time.Second
	leasesQuick = "200,600"
	dataQuick   = "bin/bench-lease-quick.json"
)

// errHelp says that the usage was asked for and printed.
var errHelp = errors.New("help")

// parse reads the command line. Usage goes to out.
func parse(args []string, out io.Writer) (settings, error) {
	set := settings{bin: cmp.Or(os.Getenv(lab.BinVar), lab.BinDefault)}
	flags := flag.NewFlagSet("bench-lease", flag.ContinueOnError)
	flags.SetOutput(out)
	leases := flags.String("leases", leasesDefault, "lengths of the lease, in `MS,...`")
	names := flags.String("stress", "", "only these stresses, as `NAME,...` (see -list)")
	of := flags.String("class", "", "only this scheduling `CLASS`: unit or ordinary")
	minutes := flags.Float64("minutes", minutesDefault, "for which each lease is looked at under each stress in each class")
	flags.DurationVar(&set.slice, "slice", sliceDefault, "length of a turn")
	flags.IntVar(&set.together, "together", 1, "how many leases are looked at at the same time, each in a lab of its own; more save time, and their agents are in each other's way (never under gc)")
	flags.BoolVar(&set.list, "list", false, "list the stresses and end")
	flags.BoolVar(&set.report, "report", false, "measure nothing, print what was measured")
	flags.StringVar(&set.data, "data", dataDefault, "`FILE` that keeps what was measured; a further call goes on from there")
	flags.StringVar(&set.page, "page", "", "write the report into its section of this `FILE`")
	quick := flags.Bool("quick", false, "two leases and one short turn of each stress, unless told otherwise, and forgotten by the next: does it work?")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return set, errHelp
	case err != nil:
		return set, err
	case flags.NArg() > 0:
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	set.time = time.Duration(*minutes * float64(time.Minute))
	if *quick {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		set.slice, set.time, set.anew, set.page = sliceQuick, sliceQuick, !set.report, "" // nothing to publish
		if !given["leases"] {
			*leases = leasesQuick
		}
		if !given["data"] {
			set.data = dataQuick
		}
	}
	return set, set.choose(*leases, *names, *of)
}

// choose reads the lists.
func (set *settings) choose(leases, names, of string) (err error) {
	if set.slice < time.Second || set.time < set.slice {
		return fmt.Errorf("-slice %s of %s: want a second at least, and no more than -minutes", set.slice, set.time)
	}
	if set.together < 1 {
		return fmt.Errorf("-together %d: want at least 1", set.together)
	}
	for text := range strings.SplitSeq(leases, ",") {
		ms, err := strconv.Atoi(strings.TrimSpace(text))
		lease := time.Duration(ms) * time.Millisecond
		if err != nil || lease < core.LeaseMin || lease > core.LeaseMax {
			return fmt.Errorf("-leases: %q: want milliseconds, %d to %d", text, core.LeaseMin.Milliseconds(), core.LeaseMax.Milliseconds())
		}
		set.leases = append(set.leases, lease)
	}
	slices.Sort(set.leases)
	set.leases = slices.Compact(set.leases)
	if set.classes = classes; of != "" {
		if !slices.Contains(classes, class(of)) {
			return fmt.Errorf("-class: %q: want %s or %s", of, unitClass, ordinaryClass)
		}
		set.classes = []class{class(of)}
	}
	set.stresses, err = chooseStresses(names)
	return err
}
