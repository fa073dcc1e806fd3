package service

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// The service manager is told by sd_notify(3) that the node is ready, what it does, and that it lives. All three come
// from one question to the run loop: a loop that stands is told of by nobody, and the watchdog ends it.

const (
	// period is how often that is, unless the watchdog wants it more often.
	period = time.Second
	// watchdogShare of its time may pass between two signs of life.
	watchdogShare = 4
)

// Herald tells the service manager that started this process. A nil Herald is silent.
type Herald struct {
	socket   string
	watchdog time.Duration // 0: none
	last     string        // status text
	trouble  func(error)
}

// NewHerald returns nil if nobody wants to be told. What could not be said goes to trouble.
func NewHerald(trouble func(error)) *Herald {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	h := &Herald{socket: socket, trouble: trouble}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		h.trouble(fmt.Errorf("read the watchdog's time: %w", err))
	}
	h.watchdog = watchdog
	return h
}

func (h *Herald) interval() time.Duration {
	if h.watchdog > 0 {
		return min(period, h.watchdog/watchdogShare)
	}
	return period
}

// tell sends assignments. It does not wait for longer than its patience, whatever the service manager does.
func (h *Herald) tell(assignments ...string) {
	if h == nil {
		return
	}
	if err := h.send(strings.Join(assignments, "\n")); err != nil {
		h.trouble(err)
	}
}

func (h *Herald) send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: h.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// alive says that the loop has answered, and what the node does.
func (h *Herald) alive(first bool, text string) {
	var say []string
	if first {
		say = append(say, daemon.SdNotifyReady)
	}
	if h.watchdog > 0 {
		say = append(say, daemon.SdNotifyWatchdog)
	}
	if text != h.last || first {
		h.last = text
		say = append(say, "STATUS="+text)
	}
	if len(say) > 0 {
		h.tell(say...)
	}
}

// Follow tells what look finds, in one line, until ctx ends or look fails: first that the service is ready, then that it
// is alive, every second or as often as the watchdog wants.
func (h *Herald) Follow(ctx context.Context, look func() (string, error)) {
	if h == nil {
		return
	}
	tick := time.NewTicker(h.interval())
	defer tick.Stop()
	for first := true; ; first = false {
		text, err := look()
		if err != nil {
			return
		}
		h.alive(first, text)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Stopping says that the service ends, and why.
func (h *Herald) Stopping(why string) { h.tell(daemon.SdNotifyStopping, "STATUS=stops: "+why) }

// Anew says that the service is about to go on as another life of its process, and why.
func (h *Herald) Anew(why string) { h.tell("STATUS=begins anew: " + why) }
