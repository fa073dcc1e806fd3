package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

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
		Example: "  agentctl keygen --out /etc/memvip/keys/gossip.key",
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
	cmd.Flags().StringVar(&out, "out", "", "write to a new `FILE`, mode 0600, or 0640 in a folder that gives files its group, not to standard output")
	return cmd
}

// keyMode is the mode of a new key file: for its owner alone, or also for the group that a folder gives to the files in it, as
// /etc/memvip does for the agent.
func keyMode(path string) fs.FileMode {
	if folder, err := os.Stat(filepath.Dir(path)); err == nil && folder.Mode()&fs.ModeSetgid != 0 {
		return 0o640
	}
	return 0o600
}

// writeKey makes a new file that nobody else may read. An old key is never overwritten: it may be what the running agents
// talk with.
func writeKey(path, key string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; it is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(key)
	if err = errors.Join(err, f.Chmod(keyMode(path)), giveToFolder(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// giveToFolder gives a key file that root makes in another user's folder to that user: to the agent, for which
// /etc/memvip/keys is made, and who is to change the file when keys are rotated.
func giveToFolder(f *os.File) error {
	folder, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	owner, ok := folder.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
