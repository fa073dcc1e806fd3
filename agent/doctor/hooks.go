package doctor

import "fmt"

// hooks looks whether what is to be run when an address moves could be run, without running it. The configuration is the
// same on every host, the programs need not be.
func (h *host) hooks() []Finding {
	if h.self.Witness {
		return nil // it holds no address, so nothing happens to one
	}
	var list []Finding
	for _, hook := range h.config.Hooks.All() {
		program := hook.Command[0]
		if err := h.runnable(hook.Command); err != nil {
			list = append(list, Finding{
				Check: CheckHooks, Severity: Warning, Subject: hook.Key, What: fmt.Sprintf("the hook for %s cannot be run here: %v", hook.Key, err),
				Why:  "whoever it was to tell is not told; addresses move all the same",
				Mend: "ls -l " + program + "; or the right path in [hooks]",
			})
			continue
		}
		list = append(list, fine(CheckHooks, hook.Key, "the hook for %s: %s is there", hook.Key, program))
	}
	return list
}
