package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"memvip/agent/core"
	"memvip/configs"
)

var rewriteLogs = flag.Bool("rewrite-logs", false, "write testdata/log anew; commit only lines that you can explain")

// smallLife is what an agent's log has to say of a life: it begins, takes a VIP, loses it and ends.
func smallLife(d *diary) {
	role := func(from, to core.Role, cause core.Cause, since time.Duration) {
		term := core.Term{}
		if from != core.Idle {
			term = termTwo
		}
		d.transition(core.Transition{Name: vipA, From: from.String(), To: to.String(), Cause: cause, Term: term, Since: since}, time.Now())
	}
	d.change(logrus.Fields{fieldNode: "h1", fieldVersion: "v1", fieldFence: "nftables", fieldConfig: "/etc/memvip/agent.toml"}, "agent starts")
	d.transition(core.Transition{Instance: mc, From: "unknown", To: "up", Cause: core.CauseDone}, time.Now())
	d.transition(core.Transition{Name: vipA, Instance: mc, From: "tainted", To: "clean", Cause: core.CauseProof, Term: termOne}, time.Now())
	role(core.Idle, core.Candidate, core.CauseHint, 5*time.Second)
	role(core.Candidate, core.Taking, core.CauseMajority, time.Millisecond)
	role(core.Taking, core.Holding, core.CauseAddressUp, 2*time.Millisecond)
	d.transition(core.Transition{Name: vipA, From: "holding", To: "holding", Cause: core.CauseForeignHost, Detail: "02:aa:00:00:00:99"}, time.Now())
	d.trouble(logrus.Fields{fieldVIP: string(vipA)}, "address not announced", errors.New("vip: eth0: network is down"))
	role(core.Holding, core.Dropping, core.CauseLeaseLost, time.Hour)
	role(core.Dropping, core.Idle, core.CauseReleased, 3*time.Millisecond)
	d.transition(core.Transition{Name: vipA, From: "willing", To: core.RefusalWord, Cause: core.CauseTainted, Detail: "connections left"}, time.Now())
	d.change(logrus.Fields{fieldWay: "handover", fieldCause: "terminated"}, "agent stops")
	d.fault(errors.New("panic: broken"), []byte("goroutine 1 [running]:\nmain.main()\n"))
}

func TestLogOfASmallLife(t *testing.T) {
	for _, format := range []configs.LogFormat{configs.LogText, configs.LogJSON, configs.LogJournal} {
		t.Run(string(format), func(t *testing.T) {
			var out bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				log, closing := NewLogger(&out)
				closing.Shape(format, configs.LogInfo)
				if format == configs.LogJournal {
					p := closing.(*patientWriter)
					written := journalTo(func(message string, p journal.Priority, fields map[string]string) error {
						fmt.Fprintf(&out, "%d %s\n", p, message)
						for _, key := range slices.Sorted(maps.Keys(fields)) {
							fmt.Fprintf(&out, "  %s=%q\n", key, fields[key])
						}
						return nil
					}, nil)
					p.pen.Store(&written)
				}
				smallLife(newDiary(log))
				if err := closing.Close(); err != nil {
					t.Error(err)
				}
			})
			path := filepath.Join("testdata", "log", "life."+string(format))
			got := strings.ReplaceAll(out.String(), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Local().Format(logTimeLayout), "2000-01-01T00:00:00.000Z")
			if *rewriteLogs {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// shaped returns what lines look like in a form.
func shaped(t *testing.T, format configs.LogFormat, level configs.LogLevel, say func(*logrus.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	log, closing := NewLogger(&out)
	closing.Shape(format, level)
	say(log)
	if err := closing.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// nasty is what a foreign host or a hook may say.
const nasty = "a\nlevel=error msg=\"forged\"\x1b[2J\x00\x7f\u009b31m\u2028\xff=\"'ü"

func TestWhatOthersSayActsOnNoTerminal(t *testing.T) {
	refused := func(string, journal.Priority, map[string]string) error { return errors.New("no journal") }
	for _, format := range []configs.LogFormat{configs.LogText, configs.LogJSON, configs.LogJournal} {
		var text string
		say := func(log *logrus.Logger) {
			log.WithFields(logrus.Fields{fieldDetail: nasty, fieldError: "two\nlines"}).Warn("somebody said")
			log.Warn(nasty)
		}
		if format == configs.LogJournal { // as it is written where there is no journal
			var out bytes.Buffer
			log, closing := NewLogger(&out)
			written := journalTo(refused, &out)
			closing.(*patientWriter).pen.Store(&written)
			say(log)
			if err := closing.Close(); err != nil {
				t.Fatal(err)
			}
			text = out.String()
		} else {
			text = shaped(t, format, configs.LogInfo, say)
		}
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != 2 || strings.ContainsFunc(strings.Join(lines, ""), unicode.IsControl) {
			t.Errorf("%s: %d lines:\n%q", format, len(lines), text)
		}
		if format == configs.LogJournal && (!strings.HasPrefix(lines[0], "<4>somebody said detail=") || !strings.HasPrefix(lines[1], "<4>")) {
			t.Errorf("lines for the journal:\n%s", text)
		}
	}
}

func TestJSONHasOneObjectOnEachLine(t *testing.T) {
	text := shaped(t, configs.LogJSON, configs.LogInfo, func(log *logrus.Logger) {
		log.WithFields(logrus.Fields{fieldDetail: nasty, fieldSince: int64(912), fieldVIP: string(vipA), fieldError: errors.New("<why>")}).Warn("role changed")
	})
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if at, err := time.Parse(logTimeLayout, fmt.Sprint(got["time"])); err != nil || time.Since(at) > patience {
		t.Errorf("time: %v, %v", at, err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "warning", "msg": "role changed", fieldVIP: string(vipA), fieldSince: 912.0, fieldError: "<why>",
		fieldDetail: strings.ToValidUTF8(nasty, "\uFFFD"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(text, `"<why>"`) || !strings.Contains(text, `\u009b`) {
		t.Errorf("not as people can read it: %s", text)
	}
}

func TestOnlySoMuchIsLogged(t *testing.T) {
	say := func(log *logrus.Logger) {
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
	}
	for level, want := range map[configs.LogLevel]string{
		configs.LogDebug: "diwe", configs.LogInfo: "iwe", "": "iwe", configs.LogWarning: "we", configs.LogError: "e",
	} {
		got := ""
		for line := range strings.Lines(shaped(t, configs.LogText, level, say)) {
			_, message, _ := strings.Cut(strings.TrimSpace(line), "msg=")
			got += message
		}
		if got != want {
			t.Errorf("%q: %s, want %s", level, got, want)
		}
	}
}

// inJournal has a test listen where systemd's journal does.
func inJournal(t *testing.T) *net.UnixConn {
	t.Helper()
	needNamespaces(t)
	for _, step := range []func() error{
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }, // else it would be seen outside
		func() error { return unix.Mount("tmpfs", "/run", "tmpfs", 0, "") },
		func() error { return os.MkdirAll("/run/systemd/journal", 0o755) },
	} {
		if err := step(); err != nil {
			t.Fatalf("a /run of its own: %v", err)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount("/run", unix.MNT_DETACH); err != nil {
			t.Errorf("unmount /run: %v", err)
		}
	})
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: "/run/systemd/journal/socket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// An agent whose standard error leads to the journal hands it fields.
func TestTheJournalGetsFields(t *testing.T) {
	socket := inJournal(t)
	var stderr unix.Stat_t
	if err := unix.Fstat(2, &stderr); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino))
	log, closing := NewLogger(os.Stderr)
	log.WithFields(logrus.Fields{fieldVIP: string(vipA), fieldTook: 7, fieldError: "two\nlines"}).Warn("restart command failed")
	if err := closing.Close(); err != nil {
		t.Fatal(err)
	}
	entry := make([]byte, 64<<10)
	n, err := socket.Read(entry)
	if err != nil {
		t.Fatal(err)
	}
	got := "\n" + string(entry[:n])
	for _, want := range []string{
		"PRIORITY=4", `MESSAGE=restart command failed error="two\nlines" took_ms=7 vip=10.0.0.101`, "SYSLOG_IDENTIFIER=memvip-agent",
		"MEMVIP_VIP=10.0.0.101", "MEMVIP_TOOK_MS=7", "MEMVIP_MESSAGE=restart command failed", "MEMVIP_ERROR\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines",
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%q is missing in\n%q", want, got)
		}
	}
	if leadsToJournal(&bytes.Buffer{}) {
		t.Error("what is not standard error leads to the journal")
	}
	t.Setenv("JOURNAL_STREAM", "1:1")
	if leadsToJournal(os.Stderr) {
		t.Error("the journal of a process further up is taken for this one's")
	}
}

// A journal that stands still delays nobody.
func TestAStuckJournalDelaysNobody(t *testing.T) {
	socket := inJournal(t)
	var out bytes.Buffer
	log, closing := NewLogger(&out)
	closing.Shape(configs.LogJournal, configs.LogInfo)
	for range 2 * logLinesWaiting { // far more than a socket takes; would never end if it were waited for
		log.Info("said")
	}
	if err := closing.Close(); err == nil {
		t.Error("closed as if all had been written")
	}
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	entry := make([]byte, 64<<10)
	for counted := closing.(*patientWriter).dropped.Load() > 0; !counted; { // or else that was told already
		n, err := socket.Read(entry)
		if err != nil {
			t.Fatal("no line is counted as lost: ", err)
		}
		counted = strings.Contains(string(entry[:n]), "log lines dropped")
	}
	_ = socket.Close()
	<-closing.(*patientWriter).done // what was left then went to standard error
	if !strings.HasPrefix(out.String(), "<6>said\n") {
		t.Errorf("%.100q", out.String())
	}
}

func TestComplainSaysHowBadItIs(t *testing.T) {
	var out bytes.Buffer
	Complain(&out, "one\ntwo")
	if out.String() != "one\ntwo\n" {
		t.Errorf("%q", out.String())
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	t.Cleanup(func() { os.Stderr = before; _ = r.Close() })
	var is unix.Stat_t
	if err := unix.Fstat(2, &is); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", is.Dev, is.Ino))
	os.Stderr = w
	Complain(w, "one\ntwo")
	_ = w.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil || got.String() != "<3>one\n<3>two\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
}
