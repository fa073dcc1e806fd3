package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"memvip/configs"
)

func keygenCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a gossip key: the base64 of 32 random bytes",
		Long: `Make a gossip key: the base64 of 32 random bytes. The same file belongs on every host. Whoever has it is
trusted fully by every agent.`,
		Example: "  agentctl keygen --out /etc/memvip/gossip.key",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("out") && out == "" {
				return usage("--out: expected a file name")
			}
			key := configs.NewKey().Text() + "\n"
			if out == "" {
				_, err := fmt.Fprint(cmd.OutOrStdout(), key)
				return err
			}
			if err := writeKey(out, key); err != nil {
				return fmt.Errorf("keygen: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write to a new `FILE`, mode 0600, instead of to standard output")
	return cmd
}

// writeKey makes a new file that only its owner may read. An old key is never overwritten: it may be
// what the running agents talk with.
func writeKey(path, key string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; it is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(key)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
