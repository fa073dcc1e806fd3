package metrics

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of a Server. They bound what clients can cost the agent, however many there are.
const (
	clientsMax     = 16
	headerBytesMax = 8 << 10
	headerWait     = 2 * time.Second
	requestWait    = 5 * time.Second
	answerWait     = 5 * time.Second // for a client to take the answer
	idleWait       = 2 * time.Minute // for the next question of a client: Prometheus asks once a minute
	listenRetry    = 2 * time.Second
)

// Server answers at one address until it is closed. If it cannot have the address, it tries again and again.
type Server struct {
	listen  netip.AddrPort
	failed  func(error)
	http    *http.Server
	trouble atomic.Pointer[string]
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}

	gate   sync.RWMutex // held for reading by every answer under way
	closed bool
}

// Serve answers with a handler. failed is told of every time that the address could not be had, or was lost.
func Serve(listen netip.AddrPort, handler http.Handler, failed func(error)) *Server {
	s := &Server{listen: listen, failed: failed, done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler: s.gated(handler), MaxHeaderBytes: headerBytesMax, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: headerWait, ReadTimeout: requestWait, WriteTimeout: answerWait, IdleTimeout: idleWait,
	}
	go s.run()
	return s
}

// gated lets answers be waited for.
func (s *Server) gated(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.gate.RLock()
		defer s.gate.RUnlock()
		if s.closed {
			http.Error(w, "the agent is ending", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// Trouble says why nobody can be answered; "" if there is nothing in the way.
func (s *Server) Trouble() string {
	if t := s.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

func (s *Server) run() {
	defer close(s.done)
	for s.ctx.Err() == nil {
		err := s.serve()
		if s.ctx.Err() != nil {
			return
		}
		text := err.Error()
		s.trouble.Store(&text)
		s.failed(err)
		retry := time.NewTimer(listenRetry)
		select {
		case <-retry.C:
		case <-s.ctx.Done():
		}
		retry.Stop()
	}
}

// serve answers until that is no longer possible.
func (s *Server) serve() error {
	var config net.ListenConfig
	listener, err := config.Listen(s.ctx, "tcp", s.listen.String())
	if err != nil {
		return err // it names operation and address
	}
	s.trouble.Store(nil)
	return s.http.Serve(netutil.LimitListener(listener, clientsMax))
}

// Close ends every connection. When it returns no answer is in the making, and the address is free.
func (s *Server) Close() error {
	s.cancel()
	err := s.http.Close()
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	<-s.done
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}
