package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// managers are programs that put addresses on hosts or take them off, by the name of their process.
var managers = []string{"keepalived", "ucarp", "vrrpd", "wackamole", "heartbeat", "pacemakerd", "corosync", "ctdbd", "kube-vip", "vip-manager"}

// others looks for programs that may have the same addresses in hand.
func (h *host) others() []Finding {
	files, err := fs.Glob(h.proc, "[0-9]*/comm")
	if err != nil {
		return []Finding{unseen(CheckOtherManager, "processes", "the processes of this host", err, asRoot)}
	}
	found := map[string]string{} // one process of each
	for _, file := range files {
		comm, err := fs.ReadFile(h.proc, file)
		if err != nil {
			continue // it has ended since
		}
		if name := strings.TrimSpace(string(comm)); slices.Contains(managers, name) && found[name] == "" {
			found[name] = path.Dir(file)
		}
	}
	var list []Finding
	for _, name := range managers {
		if found[name] == "" {
			continue
		}
		list = append(list, Finding{
			Check: CheckOtherManager, Severity: Warning, Subject: name, What: fmt.Sprintf("%s runs here (process %s), which manages addresses too", name, found[name]),
			Why:  "if it has one of these VIPs in hand, two programs fight over it, and memvip cannot know what was served",
			Mend: fmt.Sprintf("see that no VIP of memvip is in the configuration of %s; else stop it: kill %s, or its unit", name, found[name]),
		})
	}
	if len(list) == 0 {
		return []Finding{fine(CheckOtherManager, "processes", "no other program that manages addresses runs here")}
	}
	return list
}
