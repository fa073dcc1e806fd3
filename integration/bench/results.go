package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"memvip/integration/bench/machine"
)

// results are everything that was found, as the file of -json keeps it.
type results struct {
	Machine    machine.Machine   `json:"machine"`
	Versions   versions          `json:"versions"`
	Rig        []string          `json:"rig"`        // what all runs have in common
	Contenders map[string]string `json:"contenders"` // how each was set up
	Faults     map[string]string `json:"faults"`     // what each is
	Runs       []sample          `json:"runs"`
	Steady     []cost            `json:"steady"`
	Burns      []slice           `json:"burns"`
	Notes      []string          `json:"notes,omitempty"` // what could not be measured, and why
}

// begun is what the file holds before the first run.
func begun(set settings, m machine.Machine, v versions) results {
	r := results{Machine: m, Versions: v, Rig: rig(), Contenders: map[string]string{}, Faults: map[string]string{}}
	for _, c := range set.contenders {
		r.Contenders[c.name] = c.describe()
	}
	for _, f := range set.faults {
		r.Faults[f.name] = f.words(set)
	}
	return r
}

// differences are what keeps the results of a file from being continued by those of now, one a line. Contenders and
// faults that only one of them has are no difference.
func (r results) differences(now results) []string {
	var all []string
	compare := func(what, was, is string) {
		if was != is && was != "" && is != "" {
			all = append(all, fmt.Sprintf("%s was %q, is %q", what, was, is))
		}
	}
	compare("memvip's version", r.Versions.Agent, now.Versions.Agent)
	compare("memcached's version", r.Versions.Memcached, now.Versions.Memcached)
	compare("keepalived's version", r.Versions.Keepalived, now.Versions.Keepalived)
	compare("the machine", r.Machine.String(), now.Machine.String())
	compare("the rig", fmt.Sprint(r.Rig), fmt.Sprint(now.Rig))
	for _, name := range slices.Sorted(maps.Keys(r.Contenders)) {
		compare(name, r.Contenders[name], now.Contenders[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		compare(name, r.Faults[name], now.Faults[name])
	}
	return all
}

// resume goes on from what an earlier call found, if it was set up in the same way. now is what holds at present.
func (r results) resume(now results) results {
	maps.Copy(r.Contenders, now.Contenders)
	maps.Copy(r.Faults, now.Faults)
	if r.Versions.Keepalived == "" {
		r.Versions.Keepalived = now.Versions.Keepalived
	}
	r.Notes = nil
	return r
}

// kept are the results to go on from: those of the file, or those of now if there is none or it is to be begun anew.
func kept(set settings, now results) (results, error) {
	if set.file == "" {
		return now, nil
	}
	if set.again {
		err := os.Rename(set.file, set.file+".old")
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return now, err
	}
	r, err := load(set.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return now, nil
	case err != nil:
		return r, err
	}
	if d := r.differences(now); len(d) > 0 {
		return r, &differentError{file: set.file, what: d}
	}
	return r.resume(now), nil
}

// differentError says why a file's results are not continued.
type differentError struct {
	file string
	what []string
}

func (e *differentError) Error() string {
	text := e.file + " was measured otherwise; -again begins anew, another -json keeps both:"
	for _, d := range e.what {
		text += "\n  " + d
	}
	return text
}

// load reads a file of results.
func load(path string) (results, error) {
	var r results
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if r.Contenders == nil || r.Faults == nil {
		return r, fmt.Errorf("%s: this holds no results of bench", path)
	}
	return r, nil
}

// save writes the file of results, so that no moment leaves half of one.
func (r results) save(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// has reports whether a run is done.
func (r results) has(contender string, st step) bool {
	return slices.ContainsFunc(r.Runs, func(s sample) bool {
		return s.Contender == contender && s.Fault == st.fault.name && s.Run == st.run
	})
}
