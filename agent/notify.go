package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"memvip/agent/control"
)

// The service manager is told by sd_notify(3) that the node is ready, what it does, and that it lives. All three come
// from one question to the run loop: a loop that stands is told of by nobody, and the watchdog ends it.

const (
	// notifyPeriod is how often that is, unless the watchdog wants it more often.
	notifyPeriod = time.Second
	// notifyPatience bounds one message to the service manager. The next one says more.
	notifyPatience = 200 * time.Millisecond
	// watchdogShare of its time may pass between two signs of life.
	watchdogShare = 4
)

// herald tells the service manager that started this process. A nil herald is silent.
type herald struct {
	socket   string
	watchdog time.Duration // 0: none
	last     string        // status text
	trouble  func(error)
}

// newHerald returns nil if nobody wants to be told.
func newHerald(d *diary) *herald {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	h := &herald{socket: socket, trouble: func(err error) { d.trouble(logrus.Fields{}, "service manager not told", err) }}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		h.trouble(fmt.Errorf("read the watchdog's time: %w", err))
	}
	h.watchdog = watchdog
	return h
}

func (h *herald) period() time.Duration {
	if h.watchdog > 0 {
		return min(notifyPeriod, h.watchdog/watchdogShare)
	}
	return notifyPeriod
}

// tell sends assignments. It does not wait for longer than its patience, whatever the service manager does.
func (h *herald) tell(assignments ...string) {
	if h == nil {
		return
	}
	if err := h.send(strings.Join(assignments, "\n")); err != nil {
		h.trouble(err)
	}
}

func (h *herald) send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: h.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyPatience)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// alive says that the loop has answered, and what the node does.
func (h *herald) alive(first bool, text string) {
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

// proclaim tells the service manager of this node until it ends: first when the loop has answered once, which it does
// only after it has taken up what an earlier life left.
func (a *agent) proclaim() {
	a.herald.follow(a.ctx, func() (string, error) {
		status, err := a.loop.ask(a.ctx)
		if err != nil {
			return "", err
		}
		return statusText(control.Build(status, a.facts())), nil
	})
}

// follow tells what look finds, until ctx ends or look fails.
func (h *herald) follow(ctx context.Context, look func() (string, error)) {
	if h == nil {
		return
	}
	tick := time.NewTicker(h.period())
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

// farewell says that the node is ending for good, or only to live once more.
func (h *herald) farewell(end ending) {
	if end.next != nil {
		h.tell("STATUS=begins anew: " + end.why)
		return
	}
	h.tell(daemon.SdNotifyStopping, "STATUS=stops: "+end.why)
}

// statusText is a report in the one line that systemctl status has room for: what this node serves, then how all is.
func statusText(r control.Report) string {
	serves := "serves nothing"
	if n := len(r.Addresses); n > 0 {
		list := make([]string, 0, n)
		for _, a := range r.Addresses {
			address, _, _ := strings.Cut(a.Prefix, "/")
			list = append(list, address)
		}
		serves = "serves " + strings.Join(list, ", ")
	}
	return serves + "; " + r.VerdictText
}
