package agent

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/core"
	"memvip/vip"
)

func TestAnAddressIsTakenProlongedAndDroppedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termTwo, Until: until})
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(time.Second)})
		r.order(core.DropAddress{Name: vipA})
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 2", "prolong 10.0.0.101", "drop 10.0.0.101", "down 10.0.0.101")
	})
}

func TestWhatGoesUpIsToldOnceItIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var told []core.Name
		r.loop.addresses.tookUp = func(name core.Name) {
			if !r.loop.addresses.isUp(name) {
				t.Errorf("%s is told of before it is up", name)
			}
			told = append(told, name)
		}
		r.start()
		r.order(core.TakeAddress{Name: vipB, Term: termOne, Until: r.now()}) // its lease is over
		r.settle()
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now().Add(time.Second)})
		r.settle()
		if fmt.Sprint(told) != fmt.Sprint([]core.Name{vipA}) {
			t.Errorf("told of %q, want %s", told, vipA)
		}
	})
}

func TestALateDropTakesTheAddressOffFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.order(core.DropAddress{Name: vipA, Late: true})
		r.want("started", "expel 10.0.0.101", "down 10.0.0.101")
	})
}

func TestADropLooksForAllConnectionsWhereItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.order(core.DropAddress{Name: vipA, All: true})
		r.settle()
		r.order(core.DropAddress{Name: vipB})
		r.want("started", "look for all of 10.0.0.101", "drop 10.0.0.101", "down 10.0.0.101", "drop 10.0.0.102", "down 10.0.0.102")
	})
}

func TestADropOverridesATakeThatStillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		busy := make(chan struct{})
		r.addresses.drop = func(vip.Address) error { <-busy; return nil }
		r.start()
		r.order(core.DropAddress{Name: vipA})
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now().Add(time.Hour)})
		r.order(core.DropAddress{Name: vipA})
		close(busy)
		r.settle()
		if r.heard("take 10.0.0.101") || !r.heard("failed 10.0.0.101 1: its lease was over before it could be put up") {
			t.Errorf("the take was carried out: %q", r.journal)
		}
		if !r.heard("down 10.0.0.101") {
			t.Errorf("the newer drop was not answered: %q", r.journal)
		}
	})
}

func TestATakeWhoseLeaseIsOverIsNotCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now()})
		r.want("started", "failed 10.0.0.101 1: its lease was over before it could be put up")
	})
}

func TestALeaseThatEndsDuringTheWriteIsSeenByTheKernelSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.take = func(_ vip.Address, lease vip.Lease) error {
			if lease() <= 0 {
				t.Error("the lease was over before the write")
			}
			pass(2 * time.Second) // frozen
			if lease() > 0 {
				t.Error("the lease is in force after its end")
			}
			return vip.ErrTooLate
		}
		r.start()
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now().Add(time.Second)})
		pass(2 * time.Second)
		r.settle()
		r.want("started", "take 10.0.0.101", "failed 10.0.0.101 1: lease is over")
		if up := r.loop.addresses.up(); len(up) != 0 {
			t.Errorf("shown as up: %v", up)
		}
	})
}

func TestALeaseFollowsTheMachineWithoutTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var lease vip.Lease
		r.addresses.take = func(_ vip.Address, l vip.Lease) error { lease = l; return nil }
		busy := make(chan struct{})
		r.addresses.prolong = func(vip.Address) (vip.Prolonged, error) {
			<-busy
			return vip.ProlongedNot, nil
		}
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(time.Second)})
		pass(1500 * time.Millisecond)
		if lease() <= 0 {
			t.Error("the lease was not prolonged")
		}
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(2 * time.Second)})
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(3 * time.Second)})
		pass(2 * time.Second)
		if lease() <= 0 {
			t.Error("the lease was not prolonged while the worker was busy")
		}
		if up := r.loop.addresses.up(); len(up) != 1 || up[0].Name != vipA {
			t.Errorf("shown as up: %v", up)
		}
		r.order(core.DropAddress{Name: vipA})
		if lease() > 0 {
			t.Error("the lease is in force although the address is to go down")
		}
		close(busy)
		r.settle()
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1", "prolong 10.0.0.101", "renew 10.0.0.101", "renew 10.0.0.101",
			"drop 10.0.0.101", "down 10.0.0.101")
	})
}

// The kernel may let a take wait for longer than the lease that it was ordered for, and renewals come in meanwhile.
func TestALeaseIsProlongedWhileItsAddressGoesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		thaw := make(chan struct{})
		r.addresses.take = func(_ vip.Address, lease vip.Lease) error {
			<-thaw
			if lease() <= 0 {
				return vip.ErrTooLate
			}
			return nil
		}
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		pass(900 * time.Millisecond)
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(time.Second)})
		pass(900 * time.Millisecond)
		close(thaw)
		r.settle()
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1")
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(2 * time.Second)})
		r.want("prolong 10.0.0.101")
	})
}

// An address that was found to be without a lease, though it was renewed at that moment, is not held for ever by word alone.
func TestAnAddressThatIsGoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.prolong = func(vip.Address) (vip.Prolonged, error) { return vip.ProlongedNot, vip.ErrTooLate }
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(time.Second)})
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1", "prolong 10.0.0.101", "addresslost")
		r.addresses.announce = vip.ErrNotHeld
		r.order(core.AnnounceAddress{Name: vipA})
		r.want("announce 10.0.0.101", "addresslost")
		r.order(core.TakeAddress{Name: vipA, Term: termTwo, Until: until.Add(time.Second)})
		r.want("take 10.0.0.101", "up 10.0.0.101 2")
	})
}

// One that is missing and cannot be put back is not held in the dark: another node can serve it.
func TestAnAddressThatCannotBePutBackIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.prolong = func(vip.Address) (vip.Prolonged, error) { return vip.ProlongedNot, errors.New("permission denied") }
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		r.order(core.ProlongAddress{Name: vipA, Until: until})
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1", "prolong 10.0.0.101") // tried again with the next renewal
		r.order(core.ProlongAddress{Name: vipA, Until: until, Gone: true})
		r.want("restore 10.0.0.101", "addresslost")
	})
}

// The kernel may let an address's lifetime wait for seconds. The fence, which ends with the lease, does not wait with it.
func TestAFenceIsRenewedBesideAStuckAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		busy := make(chan struct{})
		r.addresses.prolong = func(vip.Address) (vip.Prolonged, error) { <-busy; return vip.ProlongedRefreshed, nil }
		r.start()
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		r.order(core.ProlongAddress{Name: vipA, Until: until})
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1", "prolong 10.0.0.101")
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(time.Second)})
		r.want("renew 10.0.0.101")
		r.order(core.AnnounceAddress{Name: vipA}) // waits behind it
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(2 * time.Second)})
		r.want("renew 10.0.0.101")
		r.addresses.renew = fmt.Errorf("%w: gone", vip.ErrFence)
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(3 * time.Second)})
		r.want("renew 10.0.0.101", "addresslost")
		close(busy)
		r.settle()
		r.want("announce 10.0.0.101", "prolong 10.0.0.101")
		r.order(core.ProlongAddress{Name: vipA, Until: until.Add(4 * time.Second)})
		r.want("prolong 10.0.0.101")
	})
}

func TestAStuckAddressDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		thaw := make(chan struct{})
		r.addresses.drop = func(a vip.Address) error {
			if a == addressA {
				<-thaw
			}
			return nil
		}
		r.start()
		r.order(core.DropAddress{Name: vipA}, core.DropAddress{Name: vipB}, core.Send{To: "h2"})
		if !r.heard("down 10.0.0.102") || r.heard("down 10.0.0.101") {
			t.Errorf("want the second down and the first not: %q", r.journal)
		}
		r.journal = nil
		// The machine repeats itself; one answer is enough.
		r.order(core.DropAddress{Name: vipA}, core.DropAddress{Name: vipA})
		close(thaw)
		r.settle()
		r.want("down 10.0.0.101")
		r.order(core.DropAddress{Name: vipA}) // asked again after the answer
		r.want("drop 10.0.0.101", "down 10.0.0.101")
	})
}

// What a drop has left to look for is looked for when others have done what they were waiting to do, or before the next take.
func TestASweepComesLaterOrBeforeTheNextTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.sweep = func(vip.Address) error { return nil }
		r.start()
		r.order(core.DropAddress{Name: vipA})
		r.want("started", "drop 10.0.0.101", "down 10.0.0.101")
		r.order(core.TakeAddress{Name: vipA, Term: termTwo, Until: r.now().Add(time.Second)})
		r.want("sweep 10.0.0.101", "take 10.0.0.101", "up 10.0.0.101 2")
		pass(2 * sweepAfter)
		r.settle()
		r.want()
		r.order(core.DropAddress{Name: vipA})
		r.want("drop 10.0.0.101", "down 10.0.0.101")
		pass(2 * sweepAfter)
		r.settle()
		r.want("sweep 10.0.0.101")
		r.order(core.DropAddress{Name: vipA})
		r.loop.addresses.finish()
		r.want("drop 10.0.0.101", "down 10.0.0.101", "sweep 10.0.0.101")
	})
}

// A sweep that failed is tried again, and one that a check of the instance waits for comes at once.
func TestASweepIsTriedAgainAndBroughtForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var failing atomic.Bool
		failing.Store(true)
		r.addresses.sweep = func(vip.Address) error {
			if failing.Load() {
				return vip.ErrSocketsLeft
			}
			return nil
		}
		r.start()
		r.order(core.DropAddress{Name: vipA})
		r.want("started", "drop 10.0.0.101", "down 10.0.0.101")
		for _, after := range []time.Duration{sweepAfter, sweepRetry, 2 * sweepRetry, 4 * sweepRetry} {
			pass(after - 1)
			r.settle()
			r.want()
			failing.Store(after < 4*sweepRetry)
			pass(1)
			r.settle()
			r.want("sweep 10.0.0.101")
		}
		pass(time.Hour)
		r.settle()
		r.want() // the last one found nothing
		r.order(core.DropAddress{Name: vipA})
		r.want("drop 10.0.0.101", "down 10.0.0.101")
		r.order(core.CheckInstance{Instance: mc, Name: vipA, Number: 1, Drained: []core.Name{vipA, vipB}})
		r.settle()
		if !r.heard("sweep 10.0.0.101") || r.heard("sweep 10.0.0.102") {
			t.Errorf("want what was left swept at once, and nothing else: %q", r.journal)
		}
	})
}

// A late answer to an old drop must not be taken for the answer to a newer one: the address may be up.
func TestADownFromBeforeATakeIsNotHeardAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		dropping := make(chan struct{})
		r.addresses.drop = func(vip.Address) error { <-dropping; return nil }
		r.start()
		r.order(core.DropAddress{Name: vipA})
		r.order(core.TakeAddress{Name: vipA, Term: termTwo, Until: r.now().Add(time.Second)})
		close(dropping)
		r.settle()
		r.want("started", "drop 10.0.0.101", "take 10.0.0.101", "up 10.0.0.101 2")
		r.order(core.DropAddress{Name: vipA})
		r.want("drop 10.0.0.101", "down 10.0.0.101")
	})
}

func TestWhatBecomesOfErrors(t *testing.T) {
	sockets := fmt.Errorf("vip: destroy: %w", vip.ErrSocketsLeft)
	none := fmt.Errorf("vip: destroy: %w", vip.ErrNoSocketDestroy)
	refused := errors.New("operation not permitted")
	for _, c := range []struct {
		name       string
		take, drop error
		want       []string
	}{
		{"not announced is up", vip.ErrNotAnnounced, nil, []string{"up 10.0.0.101 1", "down 10.0.0.101"}},
		{"refused", refused, nil, []string{"failed 10.0.0.101 1: operation not permitted", "down 10.0.0.101"}},
		{"foreign", vip.ErrForeign, vip.ErrForeign, []string{
			"failed 10.0.0.101 1: address is there already and was not added by memvip",
			"down 10.0.0.101: address is there already and was not added by memvip"}},
		{"sockets left is down", nil, sockets, []string{"up 10.0.0.101 1", "down 10.0.0.101"}},
		{"cannot destroy is down", nil, errors.Join(none, sockets), []string{"up 10.0.0.101 1", "down 10.0.0.101"}},
		{"not removed is not down", nil, errors.Join(sockets, refused), []string{
			"up 10.0.0.101 1", "down 10.0.0.101: vip: destroy: TCP sockets left\noperation not permitted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.addresses.take = func(vip.Address, vip.Lease) error { return c.take }
				r.addresses.drop = func(vip.Address) error { return c.drop }
				r.start()
				r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now().Add(time.Second)})
				r.order(core.DropAddress{Name: vipA})
				r.want("started", "take 10.0.0.101", c.want[0], "drop 10.0.0.101", c.want[1])
			})
		})
	}
}

func TestAVIPWithoutAPlaceIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.order(
			core.TakeAddress{Name: "10.9.9.9", Term: termOne, Until: r.now().Add(time.Second)},
			core.ProlongAddress{Name: "10.9.9.9"}, core.DropAddress{Name: "10.9.9.9"},
		)
		r.want("started", "failed 10.9.9.9 1: no interface of this node is known for it", "down 10.9.9.9")
	})
}

func TestLettingGoGoesOnPastErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.drop = func(a vip.Address) error {
			if a == addressA {
				return errors.New("busy")
			}
			return vip.ErrSocketsLeft
		}
		err := r.loop.addresses.letGo()
		if err == nil || err.Error() != "busy" {
			t.Errorf("got %v, want what could not be removed", err)
		}
		if !r.heard("drop 10.0.0.102") {
			t.Error("gave up after the first")
		}
	})
}

func TestLettingGoSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.sweep = func(vip.Address) error { return nil }
		if err := r.loop.addresses.letGo(); err != nil {
			t.Error(err)
		}
		for _, line := range []string{"sweep 10.0.0.101", "sweep 10.0.0.102"} {
			if !r.heard(line) {
				t.Errorf("no %q in %q", line, r.journal)
			}
		}
	})
}
