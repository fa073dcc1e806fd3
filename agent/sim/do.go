package sim

import (
	"memvip/agent/core"
)

// do carries an act out.
func (w *World) do(a Act) {
	w.note("--- %s", a)
	h, v, length := w.hosts[a.A%w.shape.hosts()], a.B%len(w.vips), int64(a.For)
	later := func(do func()) { w.afterwards(length, do) }
	switch a.Kind {
	case Split, Isolate, CutOneWay, CutPair, Lossy, HoldPackets, Replay, CutClient:
		w.disturb(a, h)
	case KillAgent, KillLost, KillSpoilt, RestartAgent, FreezeAgent, StallAgent, StopAgent, KeepRestart, KeepLeave, TrapKill, TrapFreeze, TrapHold:
		h.disturbAgent(a.Kind, length, a.B)
	case RestartMany, LoseMany:
		for i, h := range w.hosts[:w.shape.hosts()] {
			if a.B>>i&1 == 1 {
				w.afterwards(w.random.Int64N(int64(w.lease)), func() { h.restart(a.Kind == LoseMany) })
			}
		}
	case UpgradeMany:
		for i, h := range w.hosts[:w.shape.hosts()] {
			if a.B>>i&1 == 1 {
				w.afterwards(w.random.Int64N(int64(w.lease)), func() { h.leave(departure{back: h.between(ms, 30*ms)}) })
			}
		}
	case Crash:
		if !w.mistaken { // a host without state takes its file's voter list for the one in force
			h.powerOff()
			later(h.powerOn)
		}
	case PullCable:
		h.setNIC(false)
		later(func() { h.setNIC(true) })
	case DiskFull:
		h.diskFull = true
		later(func() { h.diskFull = false })
	case DiskSlow:
		slow := h.diskSlow
		h.diskSlow = 5*ms + length%(300*ms)
		later(func() { h.diskSlow = slow })
	case RefuseAddress:
		h.addresses[v].refused = true
		later(func() { h.addresses[v].refused = false })
	case RemoveAddress:
		if h.addresses[v].up {
			h.note("%s: %s removed by other hands", h.name, h.vips[v].name)
			h.addresses[v].up = false
			h.vips[v].removed = append(h.vips[v].removed, w.now)
			h.look()
			h.later(h.between(50*us, 2*ms), func() { h.feed(core.AddressGone{Name: h.vips[v].name}) })
		}
	case Drain:
		h.feed(core.DrainRequested{On: true})
		later(func() { h.feed(core.DrainRequested{On: false}) })
	case Handback:
		w.vips[v].home.feed(core.HandbackRequested{Name: w.vips[v].name})
	case MoveVIP:
		for _, holder := range w.hosts {
			holder.feed(core.MoveRequested{Name: w.vips[v].name, To: h.name})
		}
	case PauseHome:
		h.feed(core.PauseRequested{On: true})
		later(func() { h.feed(core.PauseRequested{On: false}) })
	case FlushNow:
		for _, in := range h.instances {
			h.feed(core.FlushRequested{Instance: in.name()})
		}
	case ChangeVoters, ReplaceVoter, ChangeLease:
		w.configure(a.Kind, h, a.B)
	case CloneHost:
		w.clone(h, length)
	case ForeignHost:
		w.occupy(v, w.now+length)
	default:
		if !h.witness {
			h.instanceOf[v].disturb(a.Kind, length)
		}
	}
}

// afterwards ends what an act began, unless everything has been mended by then.
func (w *World) afterwards(d int64, do func()) {
	w.after(d, func() {
		if !w.mended {
			do()
		}
	})
}

// disturb does something to the network.
func (w *World) disturb(a Act, h *host) {
	n, end := &w.net, w.now+int64(a.For)
	other := w.hosts[a.B%w.shape.hosts()]
	for i := range w.hosts {
		switch x := a.B >> i & 1; {
		case a.Kind == Split:
			for j := range w.hosts {
				if x != a.B>>j&1 {
					n.cut[i][j] = end
				}
			}
		case a.Kind == Isolate:
			n.cut[i][h.id], n.cut[h.id][i] = end, end
		}
	}
	switch a.Kind {
	case HoldPackets:
		n.hold[h.id] = w.packets(end, a.B)
	case Replay:
		n.replay[h.id] = w.packets(end, a.B)
	case CutOneWay:
		n.cut[h.id][other.id] = end
	case CutPair:
		n.cut[h.id][other.id], n.cut[other.id][h.id] = end, end
	case Lossy:
		n.lossy = end
	case CutClient:
		w.clients[a.B%clients].cut[h.id] = end
	default:
	}
}

// disturbAgent does something to a host's agent.
func (h *host) disturbAgent(k Kind, length int64, which int) {
	switch k {
	case TrapKill, TrapFreeze, TrapHold:
		h.trap = trap{kind: k, at: moment(which % int(moments)), length: length}
		return
	case FreezeAgent, StallAgent:
		h.freezeFor(length)
		return
	case StopAgent:
		h.feed(core.StopRequested{})
	case KeepRestart:
		h.leave(departure{back: h.between(11*ms, 300*ms), cleanup: true})
		return
	case KeepLeave:
		h.leave(departure{back: max(length, 11*ms), cleanup: true})
		return
	case RestartAgent:
		h.restart(false)
		return
	default:
		h.note("%s: agent killed", h.name)
		h.kill()
		h.hasFile = h.hasFile && (k != KillLost || h.mistaken)
		h.spoilt = h.spoilt || k == KillSpoilt && !h.mistaken
	}
	// Nobody starts an agent before the last one's cleanup is over.
	h.afterwards(max(length, 11*ms), h.start)
}

// restart kills the agent and starts it at once, or as soon as a cleanup is over.
func (h *host) restart(lost bool) {
	h.note("%s: agent killed", h.name)
	h.kill()
	h.hasFile = h.hasFile && (!lost || h.mistaken)
	h.afterwards(h.between(11*ms, 300*ms), h.start)
}

// disturb does something to a memcached.
func (in *instance) disturb(k Kind, length int64) {
	switch k {
	case ExitMemcached:
		in.exit()
		in.afterwards(length, in.run)
	case RestartMemcached:
		in.exit()
		in.afterwards(in.between(5*ms, 150*ms), in.run)
	case RestartKept:
		in.exit()
		in.keepsMemory = true
		in.afterwards(in.between(5*ms, 150*ms), in.run)
	case HangMemcached:
		in.hang(length)
	case RefuseFlush:
		in.exit()
		in.noFlush = true
		in.afterwards(100*ms, in.run)
		in.afterwards(length+s, func() {
			in.exit()
			in.noFlush = false
			in.run()
		})
	case SlowMemcached:
		in.slow, in.slowTo = length%(500*ms), in.now+length
	case StickWorker:
		in.stick(length)
	case OwnAddress:
		in.ownUse = true
		in.busyTo = in.now + length
		in.last = in.now
		in.total++
	default:
		panic("sim: unknown act " + k.String())
	}
}
