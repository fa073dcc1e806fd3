package agent

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/flush"
)

// refusing is memcached of which some instances take no flush_all.
type refusing struct {
	*fakeInstances
	those map[string]bool
}

func (f refusing) Empty(_ context.Context, a netip.AddrPort) error {
	if f.those[a.String()] {
		return refusal(flush.ReasonTimeout, "no answer")
	}
	return nil
}

// holder is a machine that holds VIPs.
type holder struct {
	*rig
	vips []core.Name
}

func (h holder) Status(core.Instant) core.Status {
	state := core.NodeState{Node: "h1"}
	for _, v := range h.vips {
		state.VIPs = append(state.VIPs, core.VIPState{Name: v, Role: core.Holding})
	}
	return core.Status{Node: "h1", Counted: map[string]int{}, Nodes: []core.NodeStatus{{Name: "h1", State: state}}}
}

// An instance that does not take flush_all keeps no other from being emptied; refused is what came to nothing at all.
func TestFlushGoesOnPastAnInstanceThatFails(t *testing.T) {
	const one, two, three = "127.0.0.1:11211", "127.0.0.1:11212", "127.0.0.1:11213"
	failed := func(names ...string) (list []control.FlushFailure) {
		for _, n := range names {
			list = append(list, control.FlushFailure{Address: n, Error: "timeout: no answer"})
		}
		return list
	}
	for _, c := range []struct {
		name    string
		holds   []core.Name
		fail    []string
		want    control.Flushed
		refused string
	}{
		{name: "all well", holds: []core.Name{vipA, vipB}, want: control.Flushed{Serving: []string{one, two}, Proving: []string{three}}},
		{name: "the first fails", holds: []core.Name{vipA, vipB}, fail: []string{one},
			want: control.Flushed{Serving: []string{two}, Proving: []string{three}, Failed: failed(one)}},
		{name: "all that serve fail", holds: []core.Name{vipA, vipB}, fail: []string{one, two},
			want: control.Flushed{Serving: []string{}, Proving: []string{three}, Failed: failed(one, two)}},
		{name: "all fail", holds: []core.Name{vipA, vipB, "10.0.0.103"}, fail: []string{one, two, three},
			refused: "flush_all at 127.0.0.1:11211 on h1: timeout: no answer; flush_all at 127.0.0.1:11212 on h1: timeout: no answer; flush_all at 127.0.0.1:11213 on h1: timeout: no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.loop.machine = holder{r, c.holds}
				port := refusing{r.instances, map[string]bool{}}
				for _, f := range c.fail {
					port.those[f] = true
				}
				a := &agent{loop: r.loop, diary: newDiary(nil), self: configs.Member{Name: "h1"}, config: &configs.Config{}}
				all := map[string]instanceConfig{}
				for i, instance := range []string{one, two, three} {
					at := netip.MustParseAddrPort(instance)
					all[instance] = instanceConfig{address: at}
					address := netip.AddrFrom4([4]byte{10, 0, 0, byte(101 + i)})
					a.config.VIPs = append(a.config.VIPs, configs.VIP{Prefix: netip.PrefixFrom(address, 32), Instance: at})
				}
				r.loop.instances = newInstances(r.loop.shared, port, all)
				r.start()
				resp := a.answerFlush(t.Context(), control.Request{Command: control.CommandFlush, By: "h1"})
				if c.refused != "" {
					if resp.Failure != control.FailRefused || resp.Text != c.refused {
						t.Errorf("failure %q: %s\nwant refused: %s", resp.Failure, resp.Text, c.refused)
					}
					return
				}
				var got control.Flushed
				if err := json.Unmarshal(resp.Body, &got); err != nil {
					t.Fatalf("%v: failure %q: %s", err, resp.Failure, resp.Text)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("flushed (-want +got):\n%s", diff)
				}
			})
		})
	}
}
