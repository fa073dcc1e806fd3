package gossip

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/sirupsen/logrus"
)

// A call is a question that one node asks another on an operator's behalf, and its answer. It travels on streams,
// since an answer may be long, and past what memberlist thinks of the other's health. A recorded call must not
// drain a node a second time next week, and the nonces of packets are remembered for minutes only. So every call
// takes two round trips: the first fetches a ticket, which the other node takes back with the question, once.

// Limits of calls.
const (
	// maxCallBody leaves room in a stream for what is around a body.
	maxCallBody = maxStream - 4<<10
	// maxCalls bounds the questions that a node answers at once. Each has a stream there and one back.
	maxCalls = maxStreams / 2
	// maxTickets bounds those that are out. The oldest goes when there are more.
	maxTickets = 256
	// ticketLife is how long a ticket is good for: the question follows at once.
	ticketLife = 10 * time.Second
	// callResend is when a frame is sent again that has no answer: its stream may have met maxStreams. The ticket keeps
	// a question from being heard twice.
	callResend = 500 * time.Millisecond
)

// callFrame is what travels, both ways. No ticket and no body asks for a ticket; the answer to that has one.
type callFrame struct {
	ID     uint64 `cbor:"1,keyasint,omitempty"` // chosen by who asks; repeated in the answer
	From   string `cbor:"2,keyasint,omitempty"`
	Ticket uint64 `cbor:"3,keyasint,omitempty"`
	Body   []byte `cbor:"4,keyasint,omitempty"`
	Failed string `cbor:"5,keyasint,omitempty"` // of an answer: why there is none
}

// calls is a node's part in them.
type calls struct {
	mu      sync.Mutex
	waiting map[uint64]chan callFrame // own questions, by ID
	tickets map[uint64]ticket         // given out
	running int                       // questions of others that are being answered
	idle    chan struct{}             // closed when running is zero; nil: nobody waits for that
}

type ticket struct {
	to    string
	until time.Time
}

// errTooManyCalls is the answer of a node that answers maxCalls others.
var errTooManyCalls = errors.New("too many questions at once")

// Call asks another node and returns its answer, which is at most 1 MiB long. The error says that the node is
// none of the configured peers, why nothing reached it, that ctx ended first, or what the node had against
// answering. A question whose answer is lost may have been heard.
func (g *Gossip) Call(ctx context.Context, to string, body []byte) ([]byte, error) {
	answer, err := g.call(ctx, to, body)
	if err != nil {
		return nil, fmt.Errorf("gossip: call %s: %w", to, err)
	}
	return answer, nil
}

func (g *Gossip) call(ctx context.Context, to string, body []byte) ([]byte, error) {
	if _, ok := g.opts.Peers[to]; !ok {
		return nil, errors.New("not a configured peer")
	}
	if len(body) > maxCallBody {
		return nil, fmt.Errorf("question of %d bytes, at most %d", len(body), maxCallBody)
	}
	welcome, err := g.exchange(ctx, to, callFrame{})
	if err != nil {
		return nil, err
	}
	answer, err := g.exchange(ctx, to, callFrame{Ticket: welcome.Ticket, Body: body})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// exchange sends one frame, again and again if need be, and awaits the answer to it.
func (g *Gossip) exchange(ctx context.Context, to string, f callFrame) (callFrame, error) {
	f.ID = number()
	answered := make(chan callFrame, 1)
	g.calls.await(f.ID, answered)
	defer g.calls.forget(f.ID)
	resend := time.NewTicker(callResend)
	defer resend.Stop()
	var sent chan error
	for due := true; ; {
		if due && sent == nil {
			sent = make(chan error, 1)
			done := sent
			if !g.beside(func() { done <- g.stream(to, kindCall, f) }) {
				return callFrame{}, errClosed
			}
		}
		due = false
		select {
		case err := <-sent:
			if err != nil {
				return callFrame{}, err
			}
			sent = nil
		case answer := <-answered:
			if answer.Failed != "" {
				return callFrame{}, errors.New(answer.Failed)
			}
			return answer, nil
		case <-resend.C:
			due = true
		case <-ctx.Done():
			return callFrame{}, ctx.Err()
		case <-g.ctx.Done():
			return callFrame{}, errClosed
		}
	}
}

// errClosed ends the calls of a node that leaves.
var errClosed = errors.New("closed")

// beside runs f on a goroutine of its own, unless the node is leaving.
func (g *Gossip) beside(f func()) bool {
	g.callbacks.RLock()
	defer g.callbacks.RUnlock()
	if g.closed || g.ctx.Err() != nil {
		return false
	}
	g.wg.Go(f)
	return true
}

// stream sends a frame as one stream. It waits for the connection, streamTimeout at most.
func (g *Gossip) stream(to string, k kind, f callFrame) error {
	f.From = g.opts.Node
	cb, err := encMode.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode %s: %w", k, err)
	}
	frame := append([]byte{wireVersion, byte(k)}, cb...)
	a := g.address(to)
	at := g.opts.Peers[to]
	node := memberlist.Node{Name: to, Addr: at.AsSlice(), Port: uint16(g.opts.Port)}
	if node.Address() != a.Addr {
		return fmt.Errorf("%s is not written as %s", node.Address(), a.Addr)
	}
	return g.list.SendReliable(&node, seal(to, frame))
}

// isCall reports whether a frame is part of a call.
func isCall(frame []byte) bool {
	return len(frame) > 2 && frame[0] == wireVersion && (kind(frame[1]) == kindCall || kind(frame[1]) == kindReply)
}

// heardCall takes in a frame for which isCall holds.
func (g *Gossip) heardCall(to string, frame []byte) {
	var f callFrame
	if err := decMode.Unmarshal(frame[2:], &f); err != nil {
		g.tally.drop(&DropError{Reason: cborReason(err), Err: err})
		return
	}
	_, known := g.opts.Peers[f.From]
	switch {
	case to != g.opts.Node:
		g.tally.dropped[DropMisdirected].Add(1)
	case !known:
		g.tally.dropped[DropUnknownNode].Add(1)
	case kind(frame[1]) == kindReply:
		g.calls.answered(f)
	default:
		if !g.beside(func() { g.answerCall(f) }) {
			g.tally.dropped[DropBusy].Add(1)
		}
	}
}

// answerCall answers another node's question, or gives it a ticket to ask with.
func (g *Gossip) answerCall(f callFrame) {
	reply := callFrame{ID: f.ID}
	switch {
	case f.Ticket == 0:
		reply.Ticket = g.calls.giveTicket(f.From)
	case !g.calls.takeTicket(f.From, f.Ticket):
		g.tally.dropped[DropReplayed].Add(1)
		return
	case g.opts.OnCall == nil:
		reply.Failed = "nobody answers questions there"
	case !g.calls.begin():
		reply.Failed = errTooManyCalls.Error()
	default:
		defer g.calls.end()
		reply.Body = g.opts.OnCall(g.ctx, f.From, f.Body)
	}
	if len(reply.Body) > maxCallBody {
		reply.Failed, reply.Body = fmt.Sprintf("the answer has %d bytes, at most %d", len(reply.Body), maxCallBody), nil
	}
	if err := g.stream(f.From, kindReply, reply); err != nil {
		g.opts.Logger.WithFields(logrus.Fields{"peer": f.From, "error": err}).Debug("answer not delivered")
	}
}

// number returns a random one, never zero.
func number() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(1, binary.NativeEndian.Uint64(b[:]))
}

func (c *calls) await(id uint64, answer chan callFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[uint64]chan callFrame{}
	}
	c.waiting[id] = answer
}

func (c *calls) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// answered hands an answer to who waits for it; the first counts.
func (c *calls) answered(f callFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.waiting[f.ID]; answer != nil {
		delete(c.waiting, f.ID)
		answer <- f
	}
}

func (c *calls) giveTicket(to string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tickets == nil {
		c.tickets = map[uint64]ticket{}
	}
	now := time.Now()
	var oldest uint64
	for id, t := range c.tickets {
		if now.After(t.until) {
			delete(c.tickets, id)
		} else if oldest == 0 || t.until.Before(c.tickets[oldest].until) {
			oldest = id
		}
	}
	if len(c.tickets) >= maxTickets {
		delete(c.tickets, oldest)
	}
	id := number()
	c.tickets[id] = ticket{to, now.Add(ticketLife)}
	return id
}

// takeTicket takes a ticket back, and reports whether it was good.
func (c *calls) takeTicket(from string, id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.tickets[id]
	delete(c.tickets, id)
	return ok && t.to == from && time.Now().Before(t.until)
}

func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == maxCalls {
		return false
	}
	c.running++
	return true
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// AwaitAnswers returns when every answer that was begun has left, or when ctx ends: before an end that is to be back
// at once, and that was asked for by a call.
func (g *Gossip) AwaitAnswers(ctx context.Context) {
	select {
	case <-g.calls.whenIdle():
	case <-ctx.Done():
	}
}

func (c *calls) whenIdle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle = make(chan struct{})
		if c.running == 0 {
			close(c.idle)
			defer func() { c.idle = nil }()
		}
	}
	return c.idle
}
