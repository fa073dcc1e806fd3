package agent

import "sync"

// crew is the goroutines of one owner. A panic in any of them is told instead of ending the process,
// which would leave addresses up.
type crew struct {
	all    sync.WaitGroup
	failed func(error)
}

func newCrew(failed func(error)) *crew { return &crew{failed: failed} }

func (c *crew) start(work func()) {
	c.all.Go(func() {
		defer func() {
			if fault := caught(recover()); fault != nil {
				c.failed(fault)
			}
		}()
		work()
	})
}

func (c *crew) wait() { c.all.Wait() }
