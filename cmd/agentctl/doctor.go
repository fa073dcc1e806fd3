package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
	"memvip/agent/doctor"
)

// doctorTimeout is for checks that take two seconds, and four where a host does not answer.
const doctorTimeout = 10 * time.Second

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	agent   asked
	config  string
	node    string
	asJSON  bool
	verbose bool
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [NODE...]",
		Short: "Look for what will break a failover, and say how to mend it",
		Long: `Look for what will break a failover, or breaks it now, and say how to mend it. Every node, or those that are named,
looks at its own host, memcached, files and clock, and at its way to the others; and what the nodes say is compared.
Nothing is changed.

Where no agent answers on this host, agentctl looks at the host by itself, from the configuration file: best as root, and
before the agent is started for the first time.

Exit codes: 0 all is fine, 1 warnings, 2 failures, 3 something could not be looked at and nothing failed.`,
		Example: "  agentctl doctor\n  agentctl doctor cache2 -v\n  sudo agentctl doctor --config /etc/memvip/agent.toml --node cache2",
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := o.agent.within(cmd.Context())
			defer stop()
			d, err := o.diagnose(ctx, names)
			if err != nil {
				return err
			}
			return o.show(cmd.OutOrStdout(), d)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show also what is fine")
	f.BoolVar(&o.asJSON, "json", false, "print the findings as JSON (schema 1)")
	f.StringVar(&o.config, "config", "/etc/memvip/agent.toml", "where no agent answers: the configuration `FILE`")
	f.StringVar(&o.node, "node", "", "where no agent answers: this host's `NAME` in it (default the host's name)")
	o.agent.addFlags(cmd, doctorTimeout)
	return cmd
}

func (o *doctorOptions) check(cmd *cobra.Command) (err error) {
	if err := o.agent.check(); err != nil {
		return err
	}
	for flag, value := range map[string]string{"config": o.config, "node": o.node} {
		if cmd.Flags().Changed(flag) && value == "" {
			return usage("--%s: expected a name", flag)
		}
	}
	if o.node == "" {
		if o.node, err = os.Hostname(); err != nil {
			return fmt.Errorf("doctor: host's name: %w", err)
		}
	}
	return nil
}

// diagnose asks the agents, or looks for itself where there is none.
func (o *doctorOptions) diagnose(ctx context.Context, names []string) (doctor.Diagnosis, error) {
	first := o.agent.client // leaves time to look without it
	first.Timeout = min(timeoutDefault, first.Timeout/2)
	report, _, err := first.Status(ctx)
	u, unreached := errors.AsType[*control.Unreached](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return doctor.Diagnosis{}, fmt.Errorf("doctor: %w", err)
	case unreached:
		return o.alone(ctx, u, names), nil
	case err != nil:
		return doctor.Diagnosis{}, fmt.Errorf("doctor: %w", err)
	}
	if err := knownNodes(report, "doctor", names...); err != nil {
		return doctor.Diagnosis{}, err
	}
	return o.together(ctx, report, names), nil
}

// together has nodes look at themselves, and compares what they say.
func (o *doctorOptions) together(ctx context.Context, report control.Report, names []string) doctor.Diagnosis {
	nodes := report.NodeNames()
	if len(names) > 0 {
		nodes = slices.DeleteFunc(nodes, func(n string) bool { return !slices.Contains(names, n) })
	}
	var answers map[string][]doctor.Finding
	var keys map[string]control.NodeKeys
	var unreached map[string]string
	atOnce(func() {
		answers, unreached = askEach[[]doctor.Finding](ctx, o.agent, nodes, control.Request{Command: control.CommandDoctor})
	}, func() {
		list := control.KeysRequest{Action: control.KeysList}
		keys, _ = askEach[control.NodeKeys](ctx, o.agent, nodes, control.Request{Command: control.CommandKeys, Keys: list}) // who does not answer is said to
	})
	var told []control.NodeKeys
	for _, node := range slices.Sorted(maps.Keys(keys)) {
		told = append(told, keys[node])
	}
	var findings []doctor.Finding
	for _, node := range nodes {
		findings = append(findings, answers[node]...)
		if why, ok := unreached[node]; ok {
			findings = append(findings, doctor.Unanswered(report.Node, node, why))
		}
	}
	findings = append(findings, doctor.Keys(report.Node, told)...)
	return doctor.Diagnose(append(findings, doctor.Cluster(report, doctor.Peers(report))...), false)
}

// alone looks at this host, without an agent.
func (o *doctorOptions) alone(ctx context.Context, u *control.Unreached, names []string) doctor.Diagnosis {
	findings := []doctor.Finding{doctor.Agentless(o.node, o.config, u)}
	for _, name := range names {
		if name != o.node {
			findings = append(findings, doctor.Unanswered(o.node, name, "it is asked by way of this host's agent"))
		}
	}
	options := doctor.Options{RuntimeDir: filepath.Dir(o.agent.client.Path)}
	return doctor.Diagnose(append(findings, doctor.Alone(ctx, o.config, o.node, options)...), true)
}

func (o *doctorOptions) show(out io.Writer, d doctor.Diagnosis) error {
	var err error
	if o.asJSON {
		err = writeJSON(out, d)
	} else {
		width, color := screen(out)
		err = doctor.Render(out, d.Findings, width, color, o.verbose)
	}
	if err != nil {
		return fmt.Errorf("doctor: write the findings: %w", err)
	}
	if d.Severity != doctor.OK {
		return &severityError{d.Severity}
	}
	return nil
}

// severityError carries findings that are not all fine to the exit code.
type severityError struct{ severity doctor.Severity }

func (e *severityError) Error() string { return string(e.severity) }

func (e *severityError) exitCode() int { return e.severity.ExitCode() }
