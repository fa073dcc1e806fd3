package trace

import (
	"slices"
	"time"

	"memvip/agent/core"
)

// What the loop tells. It tells of everything, so what concerns no change of hands is put aside at once.

// Heard takes an event that the machine is about to be told.
func (r *Recorder) Heard(at core.Instant, ev core.Event) {
	if _, saved := ev.(core.StateSaved); saved {
		if len(r.touched) > 0 {
			r.each(r.touched, Mark{At: micros(at), Step: Saved})
		}
		return
	}
	r.event++
	r.touched, r.hinted = r.touched[:0], false
	switch e := ev.(type) {
	case core.Received:
		r.received(micros(at), e.Msg)
	case core.InstanceChecked:
		if e.Number != 0 && e.Reason == "" {
			r.mark(e.Name, Mark{At: micros(at), Step: Checked})
		}
	case core.AddressDown:
		if e.Err == "" {
			r.settled(e.Name, Mark{At: micros(at), Step: Down})
		}
	default: // the rest is seen in what comes of it
	}
}

func (r *Recorder) received(at int64, msg core.Message) {
	switch x := msg.(type) {
	case core.Claim:
		for i := range x.Entries {
			if e := &x.Entries[i]; e.Kind != core.Renewal {
				s := r.mark(e.Name, Mark{At: at, Step: ClaimHeard, Peer: x.From.Node, Number: x.Counter, Epoch: e.Term.Epoch})
				r.owe(x.From.Node, x.Request(), s)
			}
		}
	case core.Release:
		for _, e := range x.Entries {
			s := r.mark(e.Name, Mark{At: at, Step: ReleaseHeard, Peer: x.From.Node, Number: x.Counter})
			r.owe(x.From.Node, x.Request(), s)
		}
	case core.Answer:
		r.heardBack(at, AnswerHeard, x.Voter, x.Request)
	case core.Ack:
		r.heardBack(at, AckHeard, x.Voter, x.Request)
	case core.Hint:
		if !x.Tainted {
			r.hinted = r.mark(x.Name, Mark{At: at, Step: HintHeard, Peer: x.Voter, Number: x.Last.Epoch}) != nil
		}
	case core.StandBy:
		r.mark(x.Name, Mark{At: at, Step: StandByHeard, Peer: x.From})
	default: // of the way home
	}
}

// owe remembers that a message is to be answered.
func (r *Recorder) owe(peer string, request core.Request, s *stream) {
	if s == nil {
		return
	}
	if len(r.owed) >= openMax {
		clear(r.owed)
	}
	if key := (owing{peer, request}); !slices.Contains(r.owed[key], s) {
		r.owed[key] = append(r.owed[key], s)
	}
}

// heardBack notes an answer to a message of which there is a mark.
func (r *Recorder) heardBack(at int64, s Step, peer string, request core.Request) {
	if list := r.sent[request.Counter]; len(list) > 0 {
		r.each(list, Mark{At: at, Step: s, Peer: peer, Number: request.Counter})
		for _, on := range list {
			r.touch(on)
		}
	}
}

// Ordered takes an effect that is about to be carried out.
func (r *Recorder) Ordered(at core.Instant, effect core.Effect) {
	switch e := effect.(type) {
	case core.Transition:
		if e.Instance == "" && e.Name != "" {
			r.changed(micros(at), e)
		}
	case core.CheckInstance:
		if e.Number != 0 {
			r.mark(e.Name, Mark{At: r.now(), Step: Checking})
		}
	case core.TakeAddress:
		r.busy(e.Name)
		r.mark(e.Name, Mark{At: r.now(), Step: Ordered, Epoch: e.Term.Epoch})
	case core.Send:
		if h, ok := e.Msg.(core.Hint); ok && h.By == "" && !h.Tainted && !r.isTouched(h.Name) {
			r.mark(h.Name, Mark{At: micros(at), Step: Free})
		}
	default: // the rest is no step of a change of hands
	}
}

// changed takes a change of this node's part in a VIP.
func (r *Recorder) changed(began int64, t core.Transition) {
	m := Mark{At: r.now(), Epoch: t.Term.Epoch, Cause: string(t.Cause)}
	switch t.To {
	case core.Dropping.String():
		r.noticed(t)
		r.busy(t.Name)
		m.Step = Decided
	case core.Candidate.String():
		if t.Cause == core.CauseHint && !r.hinted {
			r.mark(t.Name, Mark{At: began, Step: Free}) // by this node's own voter
		}
		m.Step = Asked
	case core.Taking.String():
		m.Step = Won
	case core.Holding.String():
		m.Step = Up
		r.settled(t.Name, m)
		return
	default:
		return
	}
	r.mark(t.Name, m)
}

// noticed puts before the decision to let go how it was noticed that memcached is down.
func (r *Recorder) noticed(t core.Transition) {
	if t.Cause != core.CauseInstanceDown {
		return
	}
	r.mu.Lock()
	d, known := r.downs[r.vips[t.Name]]
	r.mu.Unlock()
	if !known {
		return
	}
	if d.failed != 0 {
		r.mark(t.Name, Mark{At: micros(d.failed), Step: Failed})
	}
	r.mark(t.Name, Mark{At: micros(d.noticed), Step: Noticed})
}

// busy has the steps of the worker noted, from now until settled. The mark that follows makes the stream.
func (r *Recorder) busy(name core.Name) { r.setBusy(name, true) }

// settled notes the last step of a worker's order.
func (r *Recorder) settled(name core.Name, m Mark) {
	r.mark(name, m)
	r.setBusy(name, false)
}

func (r *Recorder) setBusy(name core.Name, busy bool) {
	if _, known := r.vips[name]; !known {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[name] == nil {
		r.streams[name] = &stream{}
	}
	r.streams[name].busy = busy
}

// Done takes an effect that was carried out, as far as the loop does that itself.
func (r *Recorder) Done(effect core.Effect) {
	send, ok := effect.(core.Send)
	if !ok {
		return
	}
	switch x := send.Msg.(type) {
	case core.Claim:
		for i := range x.Entries {
			if e := &x.Entries[i]; e.Kind != core.Renewal {
				r.asked(x.Counter, r.mark(e.Name, Mark{At: r.now(), Step: ClaimSent, Peer: send.To, Number: x.Counter, Epoch: e.Term.Epoch}))
			}
		}
	case core.Release:
		for _, e := range x.Entries {
			r.asked(x.Counter, r.mark(e.Name, Mark{At: r.now(), Step: ReleaseSent, Peer: send.To, Number: x.Counter}))
		}
	case core.Answer:
		r.repaid(AnswerSent, send.To, x.Request)
	case core.Ack:
		r.repaid(AckSent, send.To, x.Request)
	case core.Hint:
		if !x.Tainted {
			r.mark(x.Name, Mark{At: r.now(), Step: HintSent, Peer: send.To, Number: x.Last.Epoch})
		}
	case core.StandBy:
		r.mark(x.Name, Mark{At: r.now(), Step: StandBySent, Peer: send.To})
	default: // of the way home
	}
}

// asked remembers which VIP a request is about.
func (r *Recorder) asked(number uint64, s *stream) {
	if s == nil {
		return
	}
	if slices.Contains(r.sent[number], s) {
		return
	}
	if len(r.sent) >= openMax {
		clear(r.sent)
	}
	r.sent[number] = append(r.sent[number], s)
}

// repaid notes an answer that was owed.
func (r *Recorder) repaid(s Step, peer string, request core.Request) {
	if len(r.owed) == 0 {
		return
	}
	key := owing{peer, request}
	if list := r.owed[key]; len(list) > 0 {
		r.each(list, Mark{At: r.now(), Step: s, Peer: peer, Number: request.Counter})
		delete(r.owed, key)
	}
}

// Stepped takes the time from an event to the last of its effects, which is of no use here.
func (r *Recorder) Stepped(time.Duration) {}
