package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"memvip/integration/bench/keep"
	"memvip/integration/bench/machine"
)

// measure goes on from what was measured until every combination was looked at for long enough.
func measure(ctx context.Context, set settings, progress io.Writer) error {
	var r record
	if !set.anew {
		if err := keep.Load(set.data, &r); err != nil {
			return err
		}
	}
	build, err := machine.Version(ctx, filepath.Join(set.bin, "memvip-agent"), "version")
	if err != nil {
		return err
	}
	memcached, err := machine.Version(ctx, "memcached", "-V")
	if err != nil {
		return err
	}
	if err := r.begin(machine.Look(), build, memcached); err != nil {
		return err
	}
	for n := 0; ; n++ {
		visits := round(set, r.seen(), n)
		if len(visits) == 0 {
			return nil
		}
		for i, v := range visits {
			fmt.Fprintf(progress, "round %d, %d of %d: %s\n", n+1, i+1, len(visits), v)
			if err := pay(ctx, set, v, &r, progress); err != nil {
				return err
			}
		}
	}
}

// pay pays a visit: all its slices, each kept at once.
func pay(ctx context.Context, set settings, v visit, r *record, progress io.Writer) (err error) {
	s, err := newSite(ctx, set, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, st := range v.turns {
		got, err := s.run(ctx, set, st)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", v, st.name, err)
		}
		r.Slices = append(r.Slices, got...)
		if err := keep.Save(set.data, r); err != nil {
			return err
		}
		for _, one := range got {
			fmt.Fprintln(progress, "   ", one)
		}
		if err := s.settle(ctx); err != nil {
			return fmt.Errorf("after %s: %w", st.name, err)
		}
	}
	return nil
}
