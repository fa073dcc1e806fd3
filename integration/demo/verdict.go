package main

import (
	"fmt"
	"time"
)

// servedBound is how long a VIP may go unserved while a host is there that could serve it. It is generous:
// what is shown is that an address moves, on a machine that may be busy with something else.
const servedBound = 3 * time.Second

// judge says, one sentence each, what was broken; nothing if both promises were kept and every step came
// about. err is why the last step did not.
func judge(rows []row, err error) []string {
	var broken []string
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	for _, r := range rows {
		if r.stale > 0 {
			say("never stale: %d stale in step %q", r.stale, r.step)
		}
		if r.doubled > 0 {
			say("always served, by exactly one host: two answered for %s ms in step %q", figure(true, r.doubled), r.step)
		}
		if r.counted && r.longest > servedBound {
			say("always served: an outage of %s ms in step %q", figure(true, r.longest), r.step)
		}
	}
	if err != nil {
		say("not shown: %v", err)
	}
	return broken
}
