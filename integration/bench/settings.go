package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"memvip/integration/lab"
)

// settings are what the command line and the environment say.
type settings struct {
	runs     int
	faults   []fault
	list     bool
	jsonPath string // "" for none
	quick    bool
	logs     bool // tell every run's story, not only that of the puzzling ones

	bin       string        // folder of memvip-agent and agentctl
	fillBytes int           // values in the cache of the faults that want a big one
	linger    time.Duration // how long an agent stays frozen or dead after its VIP was served elsewhere
}

const (
	runsDefault = 10
	fillDefault = 1 << 30
	fillQuick   = 128 << 20
	lingerWhole = 6 * time.Second // as long as the faults of the keepalived baseline
	lingerQuick = 2 * time.Second
	runsInQuick = 1

	// failbackDelay is shorter than the default, only to save time: a hand-back does not get faster by it.
	failbackDelay = 100 * time.Millisecond
)

// errHelp says that the usage was asked for and printed.
var errHelp = errors.New("help")

// parse reads the command line. Usage goes to out.
func parse(args []string, out io.Writer) (settings, error) {
	set := settings{fillBytes: fillDefault, linger: lingerWhole, bin: cmp.Or(os.Getenv(lab.BinVar), lab.BinDefault)}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&set.runs, "runs", runsDefault, "runs of each fault")
	names := flags.String("fault", "", "only these faults, as `NAME,...` (see -list)")
	flags.BoolVar(&set.list, "list", false, "list the faults and end")
	flags.StringVar(&set.jsonPath, "json", "", "also write every run and the settings to `FILE`")
	flags.BoolVar(&set.quick, "quick", false, "1 run unless -runs says otherwise, smaller cache, shorter freeze: does it work?")
	flags.BoolVar(&set.logs, "logs", false, "show the agents' logs of every run, not only of the puzzling ones")
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
		set.fillBytes, set.linger = fillQuick, lingerQuick
		if !given(flags, "runs") {
			set.runs = runsInQuick
		}
	}
	if set.runs < 1 {
		return set, fmt.Errorf("-runs %d: want at least 1", set.runs)
	}
	var err error
	if set.faults, err = choose(*names); err != nil || set.list {
		return set, err
	}
	set.bin, err = filepath.Abs(set.bin)
	return set, err
}

func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// choose finds faults by name, in the order of the list of all; "" stands for all.
func choose(names string) ([]fault, error) {
	if names == "" {
		return faults, nil
	}
	wanted := map[string]bool{}
	for _, name := range strings.Split(names, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []fault
	for _, f := range faults {
		if wanted[f.name] {
			chosen = append(chosen, f)
			delete(wanted, f.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("-fault: no fault %q; -list names them all", name)
	}
	return chosen, nil
}

func (set settings) agentPath() string { return filepath.Join(set.bin, "memvip-agent") }
func (set settings) ctlPath() string   { return filepath.Join(set.bin, "agentctl") }
