package main

import (
	"fmt"
	"os"
	"path/filepath"

	"memvip/integration/lab"
)

// binVar names the folder of memvip-agent and agentctl.
const (
	binVar     = "MEMVIP_BIN"
	binDefault = "bin"
)

const usageText = `usage: demo

Shows a failover and a hand-back on three hosts in network namespaces. It needs
memcached, and root or the right to make user namespaces (which %s=1
asks for even as root). %s names the folder of memvip-agent and agentctl;
it is %s/ if not set.
`

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, usageText, lab.RootlessVar, binVar, binDefault)
		os.Exit(64)
	}
	options, err := programs()
	if err == nil {
		err = lab.Enter()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	os.Exit(play(options))
}

// programs finds what is shown.
func programs() (lab.Options, error) {
	dir := os.Getenv(binVar)
	if dir == "" {
		dir = binDefault
	}
	dir, err := filepath.Abs(dir) // the lab runs them in folders of its own
	if err != nil {
		return lab.Options{}, err
	}
	o := lab.Options{Agent: filepath.Join(dir, "memvip-agent"), AgentCtl: filepath.Join(dir, "agentctl")}
	for _, path := range []string{o.Agent, o.AgentCtl} {
		if _, err := os.Stat(path); err != nil {
			return o, fmt.Errorf("%w (to build it: make build; %s names the folder)", err, binVar)
		}
	}
	return o, nil
}
