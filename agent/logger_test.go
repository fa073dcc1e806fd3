package agent

import (
	"bytes"
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
		closing.Flush()
		r.mu.Lock()
		if n := bytes.Count(r.text.Bytes(), []byte("\n")); n != 2 {
			t.Errorf("%d lines written, want both", n)
		}
		r.mu.Unlock()
		log.Info("three")
		if err := closing.Close(); err != nil || bytes.Count(r.text.Bytes(), []byte("\n")) != 3 {
			t.Errorf("closed with %v after %q", err, r.text.String())
		}
		closing.Flush() // nothing is left to do
	})
}

func TestFlushDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowReader{let: make(chan struct{})}
		log, closing := NewLogger(r)
		log.Info("one")
		begun := time.Now()
		closing.Flush()
		if waited := time.Since(begun); waited != logPatience {
			t.Errorf("waited %s, want %s", waited, logPatience)
		}
		close(r.let)
		if err := closing.Close(); err != nil {
			t.Error(err)
		}
	})
}
