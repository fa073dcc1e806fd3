package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"memvip/agent/control"
	"memvip/configs"
)

// diskLook is what the configuration file says now, by which the next start would go. A disk may stand still for longer than
// a watchdog has patience: who asks waits for a while, and gets what was seen last; the sign of life asks nobody.
type diskLook struct {
	running *configs.Config

	mu    sync.Mutex
	last  control.OnDisk
	began time.Time     // the newest look
	under chan struct{} // closed when the look under way is over; nil: none is
}

// diskPatience is how long a look is waited for.
const diskPatience = 300 * time.Millisecond

// seen is what the last look saw; nothing before the first.
func (d *diskLook) seen() control.OnDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// look looks again, unless somebody does, and waits for the end of that with patience.
func (d *diskLook) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, diskPatience)
	defer cancel()
	select {
	case <-d.begin():
	case <-ctx.Done():
	}
}

// glanceEvery is how often the file is looked at though nobody asks: to read it costs as much as a heartbeat.
const glanceEvery = 10 * time.Second

// glance begins a look if there was none for a while. It waits for nobody.
func (d *diskLook) glance() {
	d.mu.Lock()
	due := time.Since(d.began) >= glanceEvery
	d.mu.Unlock()
	if due {
		d.begin()
	}
}

// begin returns what ends when the look does. The goroutine is nobody's: it cannot be ended while the disk stands.
func (d *diskLook) begin() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under == nil {
		over := make(chan struct{})
		d.under, d.began = over, time.Now()
		go func() {
			now := onDisk(d.running)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.last, d.under = now, nil
			close(over)
		}()
	}
	return d.under
}

// onDisk reads the file.
func onDisk(running *configs.Config) control.OnDisk {
	c, err := configs.Load(running.Path)
	if err != nil {
		return control.OnDisk{Fault: firstOf(err)}
	}
	return control.OnDisk{Differs: c.Digest() != running.Digest()}
}

// firstOf is the first of joined errors, and how many more there are.
func firstOf(err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) < 2 {
		return err.Error()
	}
	all := joined.Unwrap()
	return fmt.Sprintf("%v; and %d more", all[0], len(all)-1)
}
