package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/operate"
	"memvip/configs"
)

// keysExit is what the help of the commands that change keys says of their exit codes.
const keysExit = "\n\nExit codes: 0 done, or done already; 1 refused, nothing was changed; 3 no agent answered; 4 done on some nodes: the same again does the rest."

func keysCommand() *cobra.Command {
	var agent asked
	asJSON := false
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Show and change the keys that gossip is sealed with",
		Long: `Show which gossip keys every node has, by their fingerprints: the one that it seals with, those that it opens too, and
whether its key file says the same.

Keys are changed in three stages, each of which has to be done on every node before the next begins: install (all can
open what is sealed with the new key), use (all seal with it), remove (nobody opens the old one any more). agentctl keys
rotate is all three. No packet is lost, no address moves, and no agent is started again. A key itself is never shown; it
goes from node to node by the gossip that it is to replace.

Each agent writes its own key file. One that may not write it leaves what belongs there in its runtime directory, and
agentctl keys save, as root on that host, puts it into place. Where key files come from a configuration management, let
that write the same three stages (the first key of a file seals, all of them open), with agentctl keys reload on every
host after each.

Exit codes: 0 all nodes agree, 1 they do not, or not all answered, 3 no agent answered.`,
		Example: "  agentctl keys\n  agentctl keys rotate",
		Args:    noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := agent.check(); err != nil {
				return err
			}
			ctx, stop := agent.within(cmd.Context())
			defer stop()
			k, err := (&operate.Session{Agent: &agent}).SurveyKeys(ctx)
			if err != nil {
				return fmt.Errorf("keys: %w", err)
			}
			return showKeys(cmd, k, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON (schema 1)")
	agent.addFlags(cmd, doctorTimeout)
	cmd.AddCommand(keysInstall(), keysUse(), keysRemove(), keysRotate(), keysReload(), keysSave())
	return cmd
}

func showKeys(cmd *cobra.Command, k operate.KeySurvey, asJSON bool) error {
	var err error
	if asJSON {
		err = writeJSON(cmd.OutOrStdout(), k.Shown())
	} else {
		width, _ := screen(cmd.OutOrStdout())
		err = k.Write(cmd.OutOrStdout(), width)
	}
	if err != nil {
		return fmt.Errorf("keys: write: %w", err)
	}
	if !k.Well() {
		return &exitError{exitDegraded}
	}
	return nil
}

// keyFlags are those by which a key is chosen, and who may be missing.
type keyFlags struct {
	from    string
	to      string
	without []string
}

func (f *keyFlags) addWithout(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.without, "without", nil, "do not wait for `NODE`: its agent must not run before the key file of another host is copied there; may be given again")
}

func (f *keyFlags) addFrom(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "from", "", "take the key from `FILE`, as agentctl keygen makes it, instead of a new one")
}

func (f *keyFlags) plan(cmd *cobra.Command, fingerprint string) (operate.KeyPlan, error) {
	p := operate.KeyPlan{Fingerprint: fingerprint, Without: f.without}
	if !cmd.Flags().Changed("from") {
		return p, nil
	}
	if f.from == "" {
		return p, usage("--from: expected a file name")
	}
	if fingerprint != "" {
		return p, usage("%s: a key that the nodes have, or --from FILE", cmd.Name())
	}
	file, err := configs.ReadKeyFile(f.from)
	if err != nil {
		return p, keyFileRefused(err)
	}
	if len(file.Keys()) != 1 {
		return p, fmt.Errorf("%s has %d keys, expected one", f.from, len(file.Keys()))
	}
	p.Key = control.Secret(file.Keys()[0].Text())
	return p, nil
}

// keyFileRefused is what is wrong with a key file, without the place in a configuration that it does not have here.
func keyFileRefused(err error) error {
	if e, ok := errors.AsType[*configs.Error](err); ok {
		return fmt.Errorf("%s; expected %s", e.Found, e.Expected)
	}
	return err
}

// keyOperation is a command about keys.
func keyOperation(o operation, flags *keyFlags, do func(ctx context.Context, s *operate.Session, p operate.KeyPlan) error) *cobra.Command {
	var cmd *cobra.Command
	o.exits = keysExit
	o.do = func(ctx context.Context, s *operate.Session, args []string) error {
		fingerprint := flags.to
		if len(args) > 0 {
			fingerprint = args[0]
		}
		p, err := flags.plan(cmd, fingerprint)
		if err != nil {
			return err
		}
		return do(ctx, s, p)
	}
	cmd = o.command()
	flags.addWithout(cmd)
	return cmd
}

// No keys are offered for completion: a status is all that a shell waits for, and has none.
var (
	keyArgument = argument{what: "a fingerprint", known: func(control.Report) []string { return nil }}
	optionalKey = argument{what: "a fingerprint", known: keyArgument.known, optional: true}
)

func keysInstall() *cobra.Command {
	var flags keyFlags
	cmd := keyOperation(operation{
		use: "install [FINGERPRINT]", short: "First stage: give every node a further key",
		long: `Give every node a further key: a new one, that of a file, or one that some nodes have already. All nodes open what is
sealed with it from then on, and go on to seal with the old one.`,
		example: "  agentctl keys install\n  agentctl keygen --out new.key && agentctl keys install --from new.key", args: []argument{optionalKey},
	}, &flags, func(ctx context.Context, s *operate.Session, p operate.KeyPlan) error { return s.KeysInstall(ctx, p) })
	flags.addFrom(cmd)
	return cmd
}

func keysUse() *cobra.Command {
	return keyOperation(operation{
		use: "use FINGERPRINT", short: "Second stage: have every node seal with a key",
		long:    "Have every node seal with a key. Refuses unless every node has it.",
		example: "  agentctl keys use 5eed5eed", args: []argument{keyArgument},
	}, &keyFlags{}, func(ctx context.Context, s *operate.Session, p operate.KeyPlan) error { return s.KeysUse(ctx, p) })
}

func keysRemove() *cobra.Command {
	return keyOperation(operation{
		use: "remove FINGERPRINT", short: "Third stage: have every node forget a key",
		long: `Have every node forget a key. Refuses while any node seals with it, by its own word or by what arrives from it, and
never takes the last key.`,
		example: "  agentctl keys remove 5eed5eed", args: []argument{keyArgument},
	}, &keyFlags{}, func(ctx context.Context, s *operate.Session, p operate.KeyPlan) error { return s.KeysRemove(ctx, p) })
}

func keysRotate() *cobra.Command {
	var flags keyFlags
	cmd := keyOperation(operation{
		use: "rotate", short: "All three stages: have every node go over to one key",
		long: `Install a key, a new one unless --from or --to name one, have every node seal with it, and remove all others. Each stage
begins once every node has answered that it has done the one before. If it stops on its way nothing is lost: it says
what is missing, and rotate --to FINGERPRINT goes on.`,
		example: "  agentctl keys rotate\n  agentctl keys rotate --to 5eed5eed",
	}, &flags, func(ctx context.Context, s *operate.Session, p operate.KeyPlan) error { return s.KeysRotate(ctx, p) })
	flags.addFrom(cmd)
	cmd.Flags().StringVar(&flags.to, "to", "", "go over to the key with `FINGERPRINT`, which some nodes have already")
	return cmd
}

func keysReload() *cobra.Command {
	return operation{
		use: "reload [NODE]", short: "Have an agent take up what its key file holds",
		long: `Have an agent, that of this host unless a node is named, take up what its key file holds, without being started again.
Refuses a file with which it and another node that answers would not understand each other.`,
		example: "  agentctl keys reload", args: []argument{optionalNode}, exits: keysExit,
		do: func(ctx context.Context, s *operate.Session, args []string) error { return s.KeysReload(ctx, args) },
	}.command()
}

func keysSave() *cobra.Command {
	to := ""
	return operation{
		use: "save", short: "Write the key file that the agent of this host may not write",
		long: `Put what the agent of this host wants in its key file there, as root, and have the agent take it up. The file keeps its
mode and owner. Where systemd hands the key to the agent (LoadCredential=), --to names the file that it hands over; an
agent reads that when it is started again.`,
		example: "  sudo agentctl keys save", exits: keysExit,
		add: func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&to, "to", "", "write `FILE` instead of the file that the agent reads")
		},
		do: func(ctx context.Context, s *operate.Session, _ []string) error { return s.KeysSave(ctx, to, saveKeys) },
	}.command()
}

// saveKeys puts what an agent has written down into a key file.
func saveKeys(next, path string) error {
	f, err := configs.ReadKeyFile(next)
	if err != nil {
		return keyFileRefused(err)
	}
	err = configs.WriteKeyFile(path, f)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &operate.RefusedError{Text: err.Error(), Hint: "sudo agentctl keys save"}
	case errors.Is(err, unix.EROFS):
		return &operate.RefusedError{Text: err.Error(), Hint: "if systemd hands the key over (LoadCredential=): sudo agentctl keys save --to FILE, the file that it hands over"}
	}
	return err
}
