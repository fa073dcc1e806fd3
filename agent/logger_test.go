package agent

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowReader takes what is written when it is let.
type slowReader struct {
	let  chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *slowReader) Write(p []byte) (int, error) {
	<-r.let
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func TestFlushWaitsForWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowReader{let: make(chan struct{})}
		log, closing := NewLogger(r)
		log.Info("one")
		log.Info("two")
		go func() {
			pass(logPatience / 2)
			close(r.let)
		}()
		closing.Flush(t.Context())
		r.mu.Lock()
		if n := bytes.Count(r.text.Bytes(), []byte("\n")); n != 2 {
			t.Errorf("%d lines written, want both", n)
		}
		r.mu.Unlock()
		log.Info("three")
		if err := closing.Close(); err != nil || bytes.Count(r.text.Bytes(), []byte("\n")) != 3 {
			t.Errorf("closed with %v after %q", err, r.text.String())
		}
		closing.Flush(t.Context()) // nothing is left to do
	})
}

func TestFlushDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowReader{let: make(chan struct{})}
		log, closing := NewLogger(r)
		log.Info("one")
		o := Options{Output: closing}
		for _, patience := range []time.Duration{logPatience, logHaste} {
			begun := time.Now()
			o.flush(t.Context(), patience)
			if waited := time.Since(begun); waited != patience {
				t.Errorf("waited %s, want %s", waited, patience)
			}
		}
		over, end := context.WithCancel(t.Context())
		end()
		begun := time.Now()
		if o.flush(over, logPatience); time.Now() != begun {
			t.Error("waited for a log after its time")
		}
		close(r.let)
		if err := closing.Close(); err != nil {
			t.Error(err)
		}
	})
}
