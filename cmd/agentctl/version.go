package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"memvip/agent"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which build this is", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "agentctl", agent.Version())
			return err
		},
	}
}
