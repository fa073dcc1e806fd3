package service

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestWhoStartedThisProcess(t *testing.T) {
	for _, c := range []struct {
		variable string
		want     bool
	}{{"", false}, {"SHELL", false}, {"INVOCATION_ID", true}, {"NOTIFY_SOCKET", true}} {
		m := ManagerOf(func(name string) (string, bool) { return "x", name == c.variable })
		if (m != nil) != c.want {
			t.Errorf("with %q in the environment: %v", c.variable, m)
		}
	}
}

func TestWhichJobsAreRestarts(t *testing.T) {
	for job, want := range map[string]bool{
		"": false, "stop": false, "start": false, "reload": false, "verify-active": false, "restart": true, "try-restart": true,
	} {
		if restarts(job) != want {
			t.Errorf("%q: %t, want %t", job, !want, want)
		}
	}
}

// The agent asks over whatever bus there is. The tests have no systemd, so what answers here is a bus of their own.
func TestTheJobIsAskedForOverTheBus(t *testing.T) {
	for _, c := range []struct {
		name string
		jobs [][2]string // unit and type
		want string
	}{
		{"a restart", [][2]string{{"cron.service", "stop"}, {"memvip-agent.service", "restart"}}, "restart"},
		{"a stop", [][2]string{{"memvip-agent.service", "stop"}, {"cron.service", "restart"}}, "stop"},
		{"another unit's", [][2]string{{"cron.service", "restart"}}, ""},
		{"none", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			startBus(t, &fakeBus{unit: "memvip_2dagent_2eservice", jobs: c.jobs})
			job, err := systemd{}.Job(t.Context())
			if err != nil || job != c.want {
				t.Errorf("job %q, %v; want %q", job, err, c.want)
			}
		})
	}
}

func TestABusThatIsOfNoUseIsNoRestart(t *testing.T) {
	for _, c := range []struct {
		name string
		bus  *fakeBus // nil: none
		want string
	}{
		{"no bus", nil, "no such file or directory"},
		{"no unit", &fakeBus{}, "org.freedesktop.systemd1.NoUnitForPID"},
		{"it says nothing", &fakeBus{mute: true}, context.DeadlineExceeded.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.bus == nil {
				t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
			} else {
				startBus(t, c.bus)
			}
			restart, err := Restarting(t.Context(), systemd{})
			if restart || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("restart %t, %v; want %q", restart, err, c.want)
			}
		})
	}
}

// fakeBus is a system bus with a systemd on it that knows one unit, this process's.
type fakeBus struct {
	unit string // as in an object's path; "" for none
	jobs [][2]string
	mute bool
}

// startBus has this process find the bus.
func startBus(t *testing.T, b *fakeBus) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

// serve speaks to one client until it hangs up.
func (b *fakeBus) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		answer := "ERROR"
		switch {
		case b.mute:
			continue
		case strings.HasPrefix(line, "BEGIN"):
			b.calls(in, conn)
			return
		case strings.Contains(line, "AUTH EXTERNAL"):
			answer = "OK 0123456789abcdef0123456789abcdef"
		case strings.Contains(line, "AUTH"):
			answer = "REJECTED EXTERNAL"
		}
		if _, err := fmt.Fprintf(conn, "%s\r\n", answer); err != nil {
			return
		}
	}
}

func (b *fakeBus) calls(in *bufio.Reader, conn net.Conn) {
	for {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
		}}
		answer, err := b.answer(call)
		if err != nil {
			reply.Type = dbus.TypeError
			reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(err.Error())
			answer = err.Error()
		}
		reply.Body = []any{answer}
		reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer))
		if err := reply.EncodeTo(conn, binary.LittleEndian); err != nil {
			return
		}
	}
}

func (b *fakeBus) answer(call *dbus.Message) (any, error) {
	switch member := call.Headers[dbus.FieldMember].Value(); member {
	case "Hello":
		return ":1.7", nil
	case "GetUnitByPID":
		if b.unit == "" || call.Body[0] != uint32(os.Getpid()) {
			return nil, errors.New("org.freedesktop.systemd1.NoUnitForPID")
		}
		return dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + b.unit), nil
	case "ListJobs":
		type job struct {
			ID                uint32
			Unit, Type, State string
			Path, UnitPath    dbus.ObjectPath
		}
		list := []job{}
		for i, j := range b.jobs {
			list = append(list, job{uint32(i + 1), j[0], j[1], "running", "/j", "/u"})
		}
		return list, nil
	default:
		return nil, errors.New("org.freedesktop.DBus.Error.UnknownMethod")
	}
}
