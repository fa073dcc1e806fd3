package gossip

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memvip/agent/core"
)

// messageTypes is one of each message of core. TestEveryKindIsListed holds it against the package.
var messageTypes = []core.Message{
	core.Claim{}, core.Answer{}, core.Release{}, core.Ack{}, core.Hint{}, core.Ask{}, core.AskReply{}, core.StandBy{}, core.Decline{},
}

// filled returns a value like v in which no field is zero and no two numbers are the same.
func filled[T any](v T) T {
	out := reflect.New(reflect.TypeOf(v)).Elem()
	n := 0
	fill(out, &n)
	return out.Interface().(T)
}

func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(1 + *n%3)) // in range for every enumeration of core
	default:
		panic("a field of a kind the codec has not met: " + v.Type().String())
	}
}

func equal(a, b any) string { return cmp.Diff(a, b, cmpopts.EquateEmpty()) }

func roundTrip(t *testing.T, v any) any {
	t.Helper()
	frame := encodeAny(t, v)
	got, err := Decode(frame)
	if err != nil {
		t.Fatalf("Decode(Encode(%T)): %v", v, err)
	}
	return got
}

func encodeAny(t testing.TB, v any) []byte {
	t.Helper()
	var (
		frame []byte
		err   error
	)
	if s, ok := v.(core.NodeState); ok {
		frame, err = EncodeState(s)
	} else {
		frame, err = Encode(v.(core.Message))
	}
	if err != nil {
		t.Fatalf("encode %T: %v", v, err)
	}
	return frame
}

// A field that core gains and the wire form does not know is found here.
func TestEveryFieldTravels(t *testing.T) {
	for _, zero := range append(anyOf(messageTypes), core.NodeState{}) {
		t.Run(fmt.Sprintf("%T", zero), func(t *testing.T) {
			for _, v := range []any{filled(zero), zero} {
				if diff := equal(v, roundTrip(t, v)); diff != "" {
					t.Errorf("sent and received differ (-sent +received):\n%s", diff)
				}
			}
		})
	}
}

func anyOf(msgs []core.Message) []any {
	var out []any
	for _, m := range msgs {
		out = append(out, m)
	}
	return out
}

func TestEveryKindIsListed(t *testing.T) {
	seen := map[kind]bool{kindState: true}
	for _, m := range messageTypes {
		k, w := messageToWire(m)
		if w == nil || seen[k] {
			t.Errorf("%T: kind %d, body %v", m, k, w)
		}
		seen[k] = true
		if sender(filled(m)) == "" {
			t.Errorf("%T has no sender", m)
		}
	}
	for b := range 256 {
		if k := kind(b); (k.empty() != nil) != seen[k] {
			t.Errorf("%s: decoded %v, among the message types %v", k, k.empty() != nil, seen[k])
		}
	}
}

func TestEncodeDoesNotTouchTheMessage(t *testing.T) {
	s := core.NodeState{Node: "a", Instances: []core.InstanceState{{Reason: strings.Repeat("x", 2*maxText)}}}
	encodeAny(t, core.Claim{State: s})
	if len(s.Instances[0].Reason) != 2*maxText {
		t.Error("Encode cut the caller's text")
	}
}

func TestEncodeTidies(t *testing.T) {
	got := roundTrip(t, core.Answer{Left: -time.Second, Other: strings.Repeat("é", maxText) + "\xff"}).(core.Answer)
	if got.Left != 0 {
		t.Errorf("a negative duration arrived as %s, want 0s", got.Left)
	}
	if want := strings.Repeat("é", maxText/2); got.Other != want {
		t.Errorf("a text of %d bytes arrived as %d bytes, want %d", 2*maxText+1, len(got.Other), len(want))
	}
	if got := roundTrip(t, core.Ask{Why: "bad \xff byte"}).(core.Ask); got.Why != "bad ? byte" {
		t.Errorf("invalid UTF-8 arrived as %q", got.Why)
	}
}

func TestEncodeRefuses(t *testing.T) {
	long := core.Name(strings.Repeat("n", maxText+1))
	many := make([]core.VIPState, maxEntries+1)
	full := make([]core.VIPState, maxEntries)
	for i := range full {
		full[i] = core.VIPState{Name: core.Name(strings.Repeat("n", maxText))}
	}
	for _, tc := range []struct {
		name string
		msg  core.Message
		want DropReason
	}{
		{"long_name", core.Decline{Name: long}, DropTooLong},
		{"too_many_entries", core.Claim{State: core.NodeState{VIPs: many}}, DropTooMany},
		{"too_long_a_frame", core.Claim{State: core.NodeState{VIPs: full}}, DropOversize},
		{"unknown_kind_of_claim", core.Claim{Entries: []core.ClaimEntry{{Name: "v"}}}, DropBadValue},
		{"no_message", nil, DropKind},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Encode(tc.msg); ReasonOf(err) != tc.want {
				t.Errorf("Encode: %v, want reason %s", err, tc.want)
			}
		})
	}
}

// frameOf is a frame around any CBOR item.
func frameOf(t testing.TB, k kind, item any) []byte {
	t.Helper()
	b, err := encMode.Marshal(item)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{wireVersion, byte(k)}, b...)
}

func TestDecodeRefuses(t *testing.T) {
	claim := encodeAny(t, filled(core.Claim{}))
	deep := any(1)
	for range maxLevels + 1 {
		deep = []any{deep}
	}
	for _, tc := range []struct {
		name  string
		frame []byte
		want  DropReason
	}{
		{"nothing", nil, DropShort},
		{"header_only", claim[:2], DropShort},
		{"truncated", claim[:len(claim)-1], DropShort},
		{"other_version", append([]byte{2}, claim[1:]...), DropVersion},
		{"unknown_kind", append([]byte{1, 99}, claim[2:]...), DropKind},
		{"trailing_byte", append(claim[:len(claim):len(claim)], 0), DropTrailing},
		{"oversize", make([]byte, maxFrame+1), DropOversize},
		{"too_deep", frameOf(t, kindClaim, map[int]any{99: deep}), DropTooDeep},
		{"too_many_entries", frameOf(t, kindClaim, map[int]any{8: make([]int, maxEntries+1)}), DropTooMany},
		{"too_many_fields", frameOf(t, kindClaim, manyPairs()), DropTooMany},
		{"array_for_a_map", frameOf(t, kindClaim, []int{1}), DropMalformed},
		{"text_for_a_number", frameOf(t, kindClaim, map[int]any{2: "x"}), DropMalformed},
		{"doubled_field", []byte{1, 8, 0xa2, 1, 0x61, 'a', 1, 0x61, 'b'}, DropMalformed},
		{"open_ended_list", []byte{1, 1, 0xa1, 8, 0x9f, 0xff}, DropMalformed},
		{"tag", []byte{1, 8, 0xa1, 1, 0xc0, 0x61, 'a'}, DropMalformed},
		{"invalid_text", []byte{1, 8, 0xa1, 1, 0x61, 0xff}, DropMalformed},
		{"long_text", frameOf(t, kindDecline, map[int]any{1: strings.Repeat("n", maxText+1)}), DropTooLong},
		{"negative_duration", frameOf(t, kindAnswer, map[int]any{8: -1}), DropBadValue},
		{"endless_duration", frameOf(t, kindAnswer, map[int]any{8: int64(1<<63 - 1)}), DropBadValue},
		{"kind_of_claim", frameOf(t, kindClaim, map[int]any{8: []any{map[int]any{2: 4}}}), DropBadValue},
		{"negative_rank", frameOf(t, kindAnswer, map[int]any{11: []any{map[int]any{4: -1}}}), DropBadValue},
		{"number_too_large", frameOf(t, kindAnswer, map[int]any{6: 256}), DropMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Decode(tc.frame)
			if ReasonOf(err) != tc.want {
				t.Errorf("Decode: %v, %v; want reason %s", got, err, tc.want)
			}
		})
	}
}

func manyPairs() map[int]int {
	m := make(map[int]int)
	for i := range maxPairs + 1 {
		m[i+100] = i
	}
	return m
}

// A later version may add fields; this one skips them.
func TestDecodeSkipsUnknownFields(t *testing.T) {
	got, err := Decode(frameOf(t, kindDecline, map[int]any{1: "a", 2: "v", 60: []int{1, 2}}))
	if want := (core.Decline{From: "a", Name: "v"}); err != nil || got != want {
		t.Errorf("Decode: %v, %v; want %v", got, err, want)
	}
}

// typical returns what a cluster of n nodes and VIPs says with every VIP held and all fields in use
// that are in use then.
func typical(n int) (core.Claim, core.Answer, core.NodeState) {
	const big = 0xfedcba9876543210
	term := core.Term{Epoch: 1000, Node: "cache-node-1", ID: big}
	s := core.NodeState{
		Node: "cache-node-1", Start: 12, Seq: 123456, Build: "v1.12.3-0-gabcdef012", Quorate: true,
		Detector: "process connector", Fence: "nftables", List: core.ListID{Digest: big, Previous: big},
		Instances: []core.InstanceState{{Address: "127.0.0.1:11211", Known: true, Up: true, PID: 4_000_000}},
	}
	claim := core.Claim{
		From:    core.Claimant{Node: "cache-node-1", Boot: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6/4026531840", Start: 12},
		Counter: 1 << 40, Life: big, Echo: big, List: s.List, Length: 600 * time.Millisecond,
	}
	answer := core.Answer{
		Voter: "cache-node-1", Incarnation: big, Memory: big, Life: big, Request: claim.Request(), Newest: claim.Request(),
		List: s.List,
	}
	for i := range n {
		name := core.Name(fmt.Sprintf("192.168.100.%d", 100+i))
		claim.Entries = append(claim.Entries, core.ClaimEntry{Name: name, Kind: core.Renewal, Term: term})
		answer.Entries = append(answer.Entries, core.AnswerEntry{
			Name: name, Asked: true, Rank: 1, Last: term, Grantee: "cache-node-1", Holding: true, Left: 599999999,
		})
		s.VIPs = append(s.VIPs, core.VIPState{
			Name: name, Role: core.Holding, Standing: core.Eligible, Clean: true, Served: term,
			HeldFor: 1000 * time.Hour, Epoch: 1000, Coming: core.AwayRefused, Refused: core.AskNoProof,
		})
	}
	claim.State = s
	return claim, answer, s
}

// Five VIPs, all held by one node, fit one Ethernet frame; that is what keeps the usual cluster free of
// fragments.
func TestPacketsFitOneFrame(t *testing.T) {
	const around = 48 + sealedBytes + 1 + 1 + len("cache-node-1") + 2 + len("cache-prod") // IPv6, UDP and ours
	for _, n := range []int{1, 3, 5} {
		claim, answer, state := typical(n)
		for _, v := range []any{claim, answer, state} {
			size := len(encodeAny(t, v)) + around
			t.Logf("%d VIPs: %T takes %d bytes on the wire", n, v, size)
			if size > 1400 {
				t.Errorf("%d VIPs: %T takes %d bytes, want at most 1400", n, v, size)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, frame []byte) {
		v, err := Decode(frame)
		if err != nil {
			if ReasonOf(err) == NotDropped {
				t.Fatalf("Decode: %v has no reason", err)
			}
			return
		}
		if diff := equal(v, roundTrip(t, v)); diff != "" {
			t.Errorf("decoded, encoded and decoded again it differs:\n%s", diff)
		}
	})
}

// TestAFullClaimFits: one host may come to hold every VIP that a cluster may have, each with a memcached of its own, and
// says all of that in one datagram.
func TestAFullClaimFits(t *testing.T) {
	const vips = 250
	for _, c := range []struct {
		node, vip, instance string
	}{
		{"cache-prod-rack-17-4", "10.100.100.%03d", "127.100.100.100:11%03d"},
		{"cache-prod-rack-17-4", "fd00:1234:5678:9abc::%04x", "[::1]:11%03d"},
	} {
		term := core.Term{Epoch: 1 << 20, Node: c.node, ID: 1 << 60}
		claim := core.Claim{From: core.Claimant{Node: c.node, Boot: "0123456789abcdef0123456789abcdef", Start: 1 << 20}, Counter: 1 << 40, Life: 1 << 60, Echo: 1 << 60}
		claim.State = core.NodeState{Node: c.node, Start: 1 << 20, Seq: 1 << 40, Version: 1 << 40, Build: "0.1.0"}
		for i := range vips {
			name := core.Name(fmt.Sprintf(c.vip, i))
			claim.Entries = append(claim.Entries, core.ClaimEntry{Name: name, Kind: core.Renewal, Term: term})
			claim.State.VIPs = append(claim.State.VIPs, core.VIPState{Name: name, Role: core.Holding, Served: term, HeldFor: time.Hour, Epoch: 1 << 20})
			claim.State.Instances = append(claim.State.Instances, core.InstanceState{Address: fmt.Sprintf(c.instance, i), Known: true, Up: true, PID: 1 << 20})
		}
		frame, err := Encode(claim)
		if err != nil {
			t.Errorf("%s: %v", c.vip, err)
		}
		t.Logf("%s: %d bytes", c.vip, len(frame))
	}
}
