package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"memvip/integration/lab"
)

// settings are what the command line and the environment say.
type settings struct {
	contenders []contender
	faults     []fault
	runs       int
	list       bool
	quick      bool
	logs       bool // tell every run's story, not only that of the puzzling ones of ours

	file   string // results are kept in it; "" for none
	again  bool   // begin anew whatever the file holds
	report string // print this file's results and measure nothing
	page   string // whose section is written; "" for none

	bin       string        // folder of memvip-agent and agentctl
	fillBytes int           // values in the cache of the faults that want a big one
	linger    time.Duration // how long something stays frozen or dead after its VIP was served elsewhere

	steady time.Duration // how long steady cost is measured; 0 for not at all
	burn   time.Duration // beside busy loops, in all, each of burners; 0 for not at all
	// burners are the contenders that have to stand that.
	burners []contender
}

const (
	runsDefault = 10
	runsInQuick = 1
	fillDefault = 1 << 10 // MiB
	fillQuick   = 128
	lingerWhole = 3 * time.Second
	lingerQuick = time.Second

	// failbackDelay is shorter than the default, only to save time: a hand-back does not get faster by it.
	failbackDelay = 100 * time.Millisecond
)

// errHelp says that the usage was asked for and printed.
var errHelp = errors.New("help")

// parse reads the command line. Usage goes to out.
func parse(args []string, out io.Writer) (settings, error) {
	set := settings{linger: lingerWhole, bin: cmp.Or(os.Getenv(lab.BinVar), lab.BinDefault)}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	who := flags.String("contender", nameMemvip, "these contenders, as `NAME,...`, or all (see -list)")
	what := flags.String("fault", all, "only these faults, as `NAME,...`, all, or none (see -list)")
	flags.IntVar(&set.runs, "runs", runsDefault, "runs of each fault for each contender")
	fill := flags.Int("fill", fillDefault, "`MiB` of values in the cache of the faults that want a big one")
	flags.BoolVar(&set.list, "list", false, "list faults and contenders, and end")
	flags.StringVar(&set.file, "json", "", "keep results in `FILE` after every run, and go on from those that are in it")
	flags.BoolVar(&set.again, "again", false, "begin anew whatever the file of -json holds; it is kept beside, as FILE.old")
	flags.StringVar(&set.report, "report", "", "print the results that `FILE` holds, and measure nothing")
	flags.StringVar(&set.page, "page", "", "write the results into the section of this `FILE` between its marks \""+section+"\"")
	flags.DurationVar(&set.steady, "steady", 0, "measure for so long what managers of a settled cluster cost")
	flags.DurationVar(&set.burn, "burn", 0, "let managers stand busy loops on every core for so long, each in slices of "+sliceLength.String())
	burners := flags.String("burn-contender", all, "only these of the contenders, as `NAME,...`, have to stand busy loops")
	flags.BoolVar(&set.quick, "quick", false, "1 run unless -runs says otherwise, smaller cache, shorter freeze: does it work?")
	flags.BoolVar(&set.logs, "logs", false, "show the managers' logs of every run, not only of memvip's puzzling ones")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return set, errHelp
		}
		return set, err
	}
	if flags.NArg() > 0 {
		return set, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if set.quick {
		set.linger = lingerQuick
		if !given(flags, "runs") {
			set.runs = runsInQuick
		}
		if !given(flags, "fill") {
			*fill = fillQuick
		}
	}
	set.fillBytes = *fill << 20
	if err := set.check(); err != nil {
		return set, err
	}
	return set, set.chooseAll(*who, *what, *burners)
}

// check refuses what makes no sense.
func (set *settings) check() error {
	switch {
	case set.runs < 1:
		return fmt.Errorf("-runs %d: want at least 1", set.runs)
	case set.fillBytes < 1<<20:
		return fmt.Errorf("-fill %d: want at least 1 (MiB)", set.fillBytes>>20)
	case set.steady < 0 || set.burn < 0:
		return errors.New("-steady, -burn: want no less than 0")
	case set.again && set.file == "":
		return errors.New("-again: it needs -json FILE")
	case set.page != "" && set.file == "" && set.report == "":
		return errors.New("-page: it needs -json FILE or -report FILE")
	}
	return nil
}

// chooseAll resolves the names.
func (set *settings) chooseAll(who, what, burners string) error {
	var err error
	if set.contenders, err = choose("contender", who, contenders); err != nil {
		return err
	}
	if what != none {
		if set.faults, err = choose("fault", what, faults); err != nil {
			return err
		}
	}
	chosen, err := choose("burn-contender", burners, contenders)
	if err != nil {
		return err
	}
	for _, c := range set.contenders {
		for _, b := range chosen {
			if b.name == c.name {
				set.burners = append(set.burners, c)
			}
		}
	}
	set.bin, err = filepath.Abs(set.bin)
	return err
}

func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func (set settings) agentPath() string { return filepath.Join(set.bin, "memvip-agent") }
func (set settings) ctlPath() string   { return filepath.Join(set.bin, "agentctl") }

// theirs reports whether keepalived takes part.
func (set settings) theirs() bool {
	for _, c := range set.contenders {
		if !c.ours() {
			return true
		}
	}
	return false
}
