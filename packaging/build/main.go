// Command build makes the packages of the commit that it is run in.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"memvip/packaging"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root := flag.String("root", ".", "the repository's `FOLDER`")
	out := flag.String("out", "bin/packages", "the `FOLDER` that the packages go to")
	version := flag.String("version", "", "a `VERSION` other than git's word")
	kinds := flag.String("kinds", "", "one `KIND` only: deb or rpm")
	arch := flag.String("arch", "", "one architecture only, by `NAME`: amd64 or arm64")
	flag.Parse()
	source, err := packaging.ReadSource(ctx, *root)
	if err != nil {
		return err
	}
	source.Version = cmp.Or(*version, source.Version)
	paths, err := source.Build(ctx, *out, chosen(packaging.Kinds, packaging.Kind(*kinds)), chosen(packaging.Archs, *arch))
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(paths, "\n"))
	return nil
}

// chosen is all, unless one of them is asked for.
func chosen[T comparable](all []T, one T) []T {
	if one == *new(T) {
		return all
	}
	return []T{one}
}
