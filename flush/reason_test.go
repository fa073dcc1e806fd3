package flush

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"memvip/flush/memcached"
)

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for reason := ReasonStopped; reason <= ReasonRestartFailed; reason++ {
		name := reason.String()
		if name == "" || strings.Contains(name, "(") || seen[name] {
			t.Errorf("reason %d is called %q", int(reason), name)
		}
		seen[name] = true
	}
	if got := Reason(0).String(); got != "reason(0)" {
		t.Errorf("the zero reason is called %q", got)
	}
}

func TestReasonForError(t *testing.T) {
	for _, test := range []struct {
		err  error
		want Reason
	}{
		{&memcached.ReplyError{Reply: "ERROR Too many open connections"}, ReasonFull},
		{&memcached.ReplyError{Reply: "CLIENT_ERROR unauthenticated"}, ReasonLogin},
		{&memcached.ReplyError{Reply: "CLIENT_ERROR flush_all not allowed"}, ReasonFlushRefused},
		{&memcached.ReplyError{Reply: "BUSY"}, ReasonBadReply},
		{&memcached.ReplyError{Reply: "ERROR"}, ReasonBadReply},
		{memcached.ErrFormat, ReasonBadReply},
		{context.Canceled, ReasonStopped},
		{context.DeadlineExceeded, ReasonTimeout},
		{syscall.ECONNREFUSED, ReasonUnreachable},
		{io.EOF, ReasonUnreachable},
	} {
		err := fmt.Errorf("memcached: 127.0.0.1:11211: stats: %w", test.err)
		refusal := failed(testAddr, err)
		if refusal.Reason != test.want {
			t.Errorf("%v: got reason %v, want %v", err, refusal.Reason, test.want)
		}
		if !errors.Is(refusal, test.err) {
			t.Errorf("%v: the cause is lost", refusal)
		}
		if got, want := refusal.Error(), "flush: 127.0.0.1:11211: stats: "+test.err.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
