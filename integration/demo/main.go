package main

import (
	"cmp"
	"fmt"
	"os"

	"memvip/integration/lab"
)

const usageText = `usage: demo

Shows a failover and a hand-back on three hosts in network namespaces. It needs
memcached, and root or the right to make user namespaces (which %s=1
asks for even as root). %s names the folder of memvip-agent and agentctl;
it is %s/ if not set.
`

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, usageText, lab.RootlessVar, lab.BinVar, lab.BinDefault)
		os.Exit(64)
	}
	agent, agentctl, err := lab.Programs(cmp.Or(os.Getenv(lab.BinVar), lab.BinDefault))
	if err == nil {
		err = lab.Enter()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	os.Exit(play(lab.Options{Agent: agent, AgentCtl: agentctl}))
}
