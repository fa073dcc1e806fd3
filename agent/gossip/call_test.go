package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// callers starts a and b, where b answers.
func callers(t *testing.T, answer func(ctx context.Context, from string, question []byte) []byte) (a, b *node) {
	t.Helper()
	port := freePort(t)
	o := options(port, "b", "a", "b")
	o.OnCall = answer
	return begin(t, options(port, "a", "a", "b")), begin(t, o)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCallIsAnswered(t *testing.T) {
	a, _ := callers(t, func(_ context.Context, from string, question []byte) []byte {
		return fmt.Appendf(nil, "%s asked %s", from, question)
	})
	var all sync.WaitGroup
	for i := range maxCalls {
		all.Go(func() {
			got, err := a.Call(within(t, patience), "b", fmt.Appendf(nil, "q%d", i))
			if want := fmt.Sprintf("a asked q%d", i); err != nil || string(got) != want {
				t.Errorf("answer %q, %v, want %q", got, err, want)
			}
		})
	}
	all.Wait()
}

func TestLongCall(t *testing.T) {
	a, _ := callers(t, func(_ context.Context, _ string, question []byte) []byte { return question })
	long := bytes.Repeat([]byte("x"), maxCallBody)
	if got, err := a.Call(within(t, patience), "b", long); err != nil || !bytes.Equal(got, long) {
		t.Errorf("answer of %d bytes, %v, want %d", len(got), err, len(long))
	}
	if _, err := a.Call(within(t, patience), "b", append(long, 'x')); err == nil {
		t.Error("a question longer than a stream may be was asked")
	}
}

func TestCallsThatFail(t *testing.T) {
	stuck := func(ctx context.Context, _ string, question []byte) []byte {
		if string(question) == "too long" {
			return make([]byte, maxCallBody+1)
		}
		<-ctx.Done()
		return nil
	}
	a, b := callers(t, stuck)
	for _, c := range []struct{ to, question, want string }{
		{"x", "", "not a configured peer"},
		{"a", "", "not a configured peer"},
		{"b", "too long", "the answer has"},
	} {
		if _, err := a.Call(within(t, patience), c.to, []byte(c.question)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("call of %s with %q: %v, want %q", c.to, c.question, err, c.want)
		}
	}
	if _, err := a.Call(within(t, 50*time.Millisecond), "b", []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call of a node that does not answer: %v", err)
	}
	if _, err := b.Call(within(t, patience), "a", nil); err == nil || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("call of a node that answers nothing: %v", err)
	}
	b.end(t)
	if _, err := a.Call(within(t, patience), "b", nil); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call of a node that is gone: %v", err)
	}
}

// TestCallEndsWithTheNode: a call that is under way does not keep a node from closing, nor does an answer.
func TestCallEndsWithTheNode(t *testing.T) {
	for _, leaver := range []string{"who asks", "who answers"} {
		t.Run(leaver, func(t *testing.T) {
			asked := make(chan struct{})
			a, b := callers(t, func(ctx context.Context, _ string, _ []byte) []byte {
				close(asked)
				<-ctx.Done()
				return nil
			})
			ended := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _, err := a.Call(ctx, "b", []byte("x")); ended <- err }()
			select {
			case <-asked:
			case err := <-ended:
				t.Fatalf("not asked: %v", err)
			}
			if leaver == "who asks" {
				a.end(t)
			} else {
				b.end(t)
				cancel()
			}
			if err := <-ended; err == nil {
				t.Error("answered")
			}
		})
	}
}

// TestRecordedCallsAreHeardOnce feeds what b heard once more, as somebody might who recorded it and waited until
// the nonces are forgotten, and asks without having been given a ticket.
func TestRecordedCallsAreHeardOnce(t *testing.T) {
	var heard atomic.Int64
	a, b := callers(t, func(context.Context, string, []byte) []byte { heard.Add(1); return nil })
	ask := func(f callFrame) {
		f.ID, f.From = number(), "a"
		cb, err := encMode.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		b.receive("", seal("b", append([]byte{wireVersion, byte(kindCall)}, cb...)))
	}
	ticket := b.calls.giveTicket("a")
	ask(callFrame{Ticket: ticket})
	eventually(t, "it is heard", func() bool { return heard.Load() == 1 })
	ask(callFrame{Ticket: ticket})
	b.counts(t, DropReplayed)
	ask(callFrame{Ticket: b.calls.giveTicket("c")})
	eventually(t, "two were refused", func() bool { return b.Stats().Dropped[DropReplayed] == 2 })
	if _, err := a.Call(within(t, patience), "b", nil); err != nil || heard.Load() != 2 {
		t.Errorf("an honest call after that: %v, %d were heard, want 2", err, heard.Load())
	}
}

func TestTicketsAreBounded(t *testing.T) {
	var c calls
	first := c.giveTicket("a")
	for range maxTickets {
		c.giveTicket("a")
	}
	if len(c.tickets) != maxTickets {
		t.Errorf("%d tickets are out, want %d", len(c.tickets), maxTickets)
	}
	if c.takeTicket("a", first) {
		t.Error("the oldest ticket was not given up")
	}
}

func TestTooManyCalls(t *testing.T) {
	a, b := callers(t, func(context.Context, string, []byte) []byte { return nil })
	for range maxCalls {
		if !b.calls.begin() {
			t.Fatal("fewer than maxCalls can be answered")
		}
	}
	if _, err := a.Call(within(t, patience), "b", nil); err == nil || !strings.Contains(err.Error(), errTooManyCalls.Error()) {
		t.Errorf("one call more than maxCalls: %v", err)
	}
	b.calls.end()
	if _, err := a.Call(within(t, patience), "b", nil); err != nil {
		t.Errorf("after one was answered: %v", err)
	}
}
