package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
)

// written returns a diary and what it has written so far, without the times.
func written() (*diary, func() string) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(textForm)
	d := newDiary(log)
	return d, func() string {
		defer out.Reset()
		return regexp.MustCompile(`(?m)^time="[^"]*" `).ReplaceAllString(out.String(), "")
	}
}

func TestAChangeIsOneLineWithItsFacts(t *testing.T) {
	for _, c := range []struct {
		transition core.Transition
		want       string
	}{
		{core.Transition{Name: vipA, From: "idle", To: "candidate", Cause: core.CauseHint, Term: termTwo, Since: 912 * time.Millisecond, Peer: "h2"},
			`level=info msg="role changed" cause=hint from=idle peer=h2 since_ms=912 term=2/h1/0002 to=candidate vip=10.0.0.101`},
		{core.Transition{Instance: mc, From: "up", To: "down", Cause: core.CauseInstanceDown, Detail: "exited"},
			`level=info msg="memcached changed" cause=instance_down detail=exited from=up instance="127.0.0.1:11211" to=down`},
		{core.Transition{From: "disk_ok", To: "disk_broken", Cause: core.CauseDisk, Detail: "no space left"},
			`level=info msg="node changed" cause=disk detail="no space left" from=disk_ok to=disk_broken`},
		{core.Transition{Name: vipA, From: "holding", To: "holding", Cause: core.CauseForeignHost, Detail: "02:aa:00:00:00:99"},
			`level=warning msg="somebody else claims the address" cause=foreign_host detail="02:aa:00:00:00:99" from=holding to=holding vip=10.0.0.101`},
		{core.Transition{Name: vipA, From: "holding", To: "holding", Cause: core.CauseMemberConflict, Peer: "h2", Detail: "02:00:00:00:00:02"},
			`level=warning msg="somebody else claims the address" cause=member_conflict detail="02:00:00:00:00:02" from=holding peer=h2 to=holding vip=10.0.0.101`},
		{core.Transition{Name: vipA, From: "refusing", To: core.RefusalWord, Cause: core.CauseForeignHost},
			`level=warning msg="VIP not taken, though it should be" cause=foreign_host from=refusing to=refusing vip=10.0.0.101`},
	} {
		d, text := written()
		d.transition(c.transition, time.Now())
		if got := text(); got != c.want+"\n" {
			t.Errorf("got\n%swant\n%s", got, c.want)
		}
	}
}

func TestRepeatsAreCountedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, text := written()
		again := func(times int) int {
			for i := range times {
				// What differs each time does not make it another line.
				d.transition(core.Transition{Name: vipA, From: "candidate", To: "idle", Cause: core.CauseRefused, Since: time.Duration(i) * time.Millisecond}, time.Now())
			}
			return strings.Count(text(), "\n")
		}
		if n := again(20); n != repeatMax {
			t.Errorf("%d lines at first, want %d", n, repeatMax)
		}
		d.trouble(logrus.Fields{fieldVIP: vipA}, "address not refreshed", errors.New("busy"))
		if got, want := text(), "level=warning msg=\"address not refreshed\" error=busy vip=10.0.0.101\n"; got != want {
			t.Errorf("another line: got %q, want %q", got, want)
		}
		pass(repeatWindow)
		d.transition(core.Transition{Name: vipA, From: "candidate", To: "idle", Cause: core.CauseRefused}, time.Now())
		if got := text(); !strings.Contains(got, "repeated=16") {
			t.Errorf("the count is not said: %q", got)
		}
		if got := d.repeats.Load(); got != 16 {
			t.Errorf("counted %d in all, want 16", got)
		}
	})
}

func TestWhatIsRememberedOfTheLinesIsBounded(t *testing.T) {
	d, _ := written()
	for i := range 3 * diaryLinesMax {
		d.change(nil, fmt.Sprintf("line %d", i))
	}
	if len(d.said) > diaryLinesMax {
		t.Errorf("%d lines remembered", len(d.said))
	}
}

func TestALogThatNobodyReadsDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		log, closing := NewLogger(writer)
		for i := range logLinesWaiting + 10 {
			log.WithField("n", i).Info("said") // returns although nothing is read
		}
		var text bytes.Buffer
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = io.Copy(&text, reader) })
		if err := closing.Close(); err != nil {
			t.Fatal(err)
		}
		log.Info("after the end") // is lost, and harmless
		writer.Close()
		reading.Wait()
		if got := text.String(); !strings.Contains(got, "msg=\"log lines dropped\" count=") {
			t.Errorf("what was lost is not said: %.300s", got)
		}
		if !regexp.MustCompile(`(?m)^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S*" level=info msg=said n=0$`).Match(text.Bytes()) {
			t.Errorf("not logfmt with milliseconds: %.100s", text.String())
		}
	})
}

func TestTheEndOfALogIsNotWaitedForWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		log, closing := NewLogger(writer)
		log.Info("never read")
		if err := closing.Close(); err == nil {
			t.Error("closed as if the line had been written")
		}
		reader.Close()
	})
}
