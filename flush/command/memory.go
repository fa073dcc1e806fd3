package command

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// A host that runs out of memory is to spare the agent (OOMScoreAdjust in its unit), not what the agent starts, which may
// be what takes it.

// oomScore is where a process's claim to be spared stands; below zero it is spared before others.
const oomScore = "/proc/%s/oom_score_adj"

// spareNoMore has a process that this one has started take its turn with all others. Everybody may give a claim up. What
// it has started by itself until now keeps it.
func spareNoMore(pid int) error {
	return giveUpClaim(fmt.Sprintf(oomScore, "self"), fmt.Sprintf(oomScore, strconv.Itoa(pid)))
}

// giveUpClaim sets a score to zero if one's own is below that.
func giveUpClaim(own, other string) error {
	text, err := os.ReadFile(own)
	if err != nil {
		return err
	}
	if score, err := strconv.Atoi(string(bytes.TrimSpace(text))); err != nil || score >= 0 {
		return err
	}
	return os.WriteFile(other, []byte("0"), 0o600)
}
