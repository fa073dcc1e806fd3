package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"memvip/integration/bench/keep"
	"memvip/integration/bench/machine"
)

// measure goes on from what was measured, size by size, the simulator's first: they need no lab.
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
	for _, n := range set.sim {
		if r.hasSimulated(n) {
			continue
		}
		fmt.Fprintf(progress, "%d nodes and VIPs in the simulator\n", n)
		row, err := simulate(set, n, progress)
		if err != nil {
			return fmt.Errorf("%d simulated nodes: %w", n, err)
		}
		r.addSimulated(row)
		if err := keep.Save(set.data, r); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM) // from here on there is something to clean up
	defer stop()
	for _, n := range set.real {
		if r.hasReal(n) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(progress, "%d real agents\n", n)
		row, err := observe(ctx, set, n, progress)
		if err != nil {
			return fmt.Errorf("%d real agents: %w", n, err)
		}
		r.addReal(row)
		if err := keep.Save(set.data, r); err != nil {
			return err
		}
	}
	return ctx.Err()
}
