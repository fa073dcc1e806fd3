package lab

import (
	"fmt"
	"path/filepath"
)

// Burn starts n processes that take all the CPU time they get, in the ordinary scheduling class, until stop is called
// or the lab closes.
func (l *Lab) Burn(n int) (stop func(), err error) {
	return l.burn(n, "/bin/sh", "-c", "while :; do :; done")
}

// BurnMemory is Burn with processes that also take all the bandwidth of the memory that they get: each writes zeros over
// more than any cache holds, again and again.
func (l *Lab) BurnMemory(n int) (stop func(), err error) {
	return l.burn(n, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M")
}

func (l *Lab) burn(n int, argv ...string) (stop func(), err error) {
	var burners []*daemon
	stop = func() {
		for _, d := range burners {
			d.stop()
		}
	}
	for i := range n {
		d := &daemon{
			name: fmt.Sprintf("burner %d", i), thread: l.outside, logPath: filepath.Join(l.dir, "burner.log"), dir: l.dir,
			argv: func() []string { return argv },
		}
		burners = append(burners, d)
		if err := d.Start(); err != nil {
			stop()
			return nil, err
		}
	}
	l.onClose(stop)
	return stop, nil
}
