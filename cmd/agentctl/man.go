package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"memvip/agent"
	"memvip/packaging/roff"
)

// manCommand writes the manual pages, from the same texts as --help. It is for whoever packages the program.
func manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages into a directory", Hidden: true, Args: oneFile,
		RunE: func(_ *cobra.Command, args []string) error {
			day, err := buildDay()
			if err != nil {
				return fmt.Errorf("man: %w", err)
			}
			if err := writePages(root, args[0], day); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return nil
		},
	}
}

// buildDay is now, unless SOURCE_DATE_EPOCH says otherwise, as it does where builds are to be repeated.
func buildDay() (time.Time, error) {
	const variable = "SOURCE_DATE_EPOCH"
	text, ok := os.LookupEnv(variable)
	if !ok {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s=%q: expected seconds since 1970", variable, text)
	}
	return time.Unix(seconds, 0), nil
}

// writePages writes the page of a command and of those below it.
func writePages(c *cobra.Command, folder string, day time.Time) error {
	path := filepath.Join(folder, pageName(c)+".1")
	if err := os.WriteFile(path, []byte(page(c, day)), 0o644); err != nil {
		return err
	}
	for _, sub := range subcommands(c) {
		if err := writePages(sub, folder, day); err != nil {
			return err
		}
	}
	return nil
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func subcommands(c *cobra.Command) []*cobra.Command {
	var shown []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			shown = append(shown, sub)
		}
	}
	return shown
}

func page(c *cobra.Command, day time.Time) string {
	c.InitDefaultHelpFlag()
	p := roff.New(pageName(c), 1, day, agent.Version(), inSentence(c.Short))
	p.Section("SYNOPSIS")
	p.Paragraphs("`" + synopsis(c) + "`")
	p.Section("DESCRIPTION")
	p.Paragraphs(description(c))
	also := seeAlso(c)
	if subs := subcommands(c); len(subs) > 0 {
		p.Section("COMMANDS")
		for _, sub := range subs {
			p.Item([]string{roff.Bold(sub.Use)}, sub.Short+".")
			also = append(also, pageName(sub)+"(1)")
		}
	}
	p.Section("OPTIONS")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) { option(p, f) })
	if c.Example != "" {
		p.Section("EXAMPLES")
		p.Example(unindented(c.Example))
	}
	p.SeeAlso(also...)
	return p.String()
}

// synopsis is how a command is used.
func synopsis(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

// description is what is said of a command where there is room.
func description(c *cobra.Command) string {
	switch {
	case c.Long != "":
		return c.Long
	case c.HasParent():
		return c.Short + "."
	}
	return c.Short + ". Every command says more of itself with --help, or in a page of its own."
}

func seeAlso(c *cobra.Command) []string {
	if !c.HasParent() {
		return []string{"memvip-agent(8)", "memvip-agent.toml(5)"}
	}
	return []string{pageName(c.Parent()) + "(1)"}
}

// option writes a flag, with its default if that says something.
func option(p *roff.Page, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	name := roff.Bold("--" + f.Name)
	if f.Shorthand != "" {
		name = roff.Bold("-"+f.Shorthand) + ", " + name
	}
	if value != "" {
		name += " " + roff.Italic(value)
	}
	usage = upper(usage)
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	p.Item([]string{name}, usage+".")
}

// inSentence has a sentence begin small, unless with a name or an abbreviation.
func inSentence(s string) string {
	r := []rune(s)
	if len(r) > 1 && unicode.IsLower(r[1]) {
		r[0] = unicode.ToLower(r[0])
	}
	return string(r)
}

func upper(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// unindented is an example without what sets it off in --help.
func unindented(example string) string {
	var b strings.Builder
	for line := range strings.Lines(example) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}
