package gossip

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"memvip/agent/core"
)

// A frame is a version byte, a kind byte and one CBOR item: a map from small integers to values, in
// which zero values are left out. A field that a later version adds under a new number is skipped by
// this one; what must not be skipped is announced in Claim's Must.
const wireVersion = 1

// kind tells the messages of a frame apart. The numbers are the protocol's: never reused.
type kind byte

const (
	kindClaim    kind = 1
	kindAnswer   kind = 2
	kindRelease  kind = 3
	kindAck      kind = 4
	kindHint     kind = 5
	kindAsk      kind = 6
	kindAskReply kind = 7
	kindDecline  kind = 8
	kindState    kind = 9
	kindCall     kind = 10 // see call.go, as for the next
	kindReply    kind = 11
	kindStandBy  kind = 12
)

// Limits of what is encoded and decoded. They bound the memory that a packet can cost, and are far
// above what a cluster of sane size says.
const (
	maxFrame    = 60000 // bytes of one frame, which is one datagram: a claim of 250 VIPs, see TestAFullClaimFits
	maxEntries  = 256   // entries of any list
	maxPairs    = 64    // fields of any message
	maxLevels   = 6     // nesting; a claim's state uses five
	maxText     = 255   // bytes of any name or text
	maxDuration = 100 * 365 * 24 * time.Hour
)

var (
	encMode = must(cbor.EncOptions{}.EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  maxLevels,
		MaxArrayElements: maxEntries,
		MaxMapPairs:      maxPairs,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("gossip: " + err.Error())
	}
	return v
}

// Encode returns the frame of a message. Texts are cut to 255 bytes and negative durations sent as
// zero; anything else beyond the limits is a *DropError.
func Encode(msg core.Message) ([]byte, error) {
	k, body := messageToWire(msg)
	if body == nil {
		return nil, drop(DropKind, "encode: %T is not a message of this version", msg)
	}
	return encode(k, body)
}

// EncodeState returns the frame of a node state, under the same rules.
func EncodeState(s core.NodeState) ([]byte, error) {
	w := stateToWire(s)
	return encode(kindState, &w)
}

// encode tidies body, a pointer to a wire struct, in place.
func encode(k kind, body any) ([]byte, error) {
	if err := walk(reflect.ValueOf(body).Elem(), tidy); err != nil {
		return nil, fmt.Errorf("encode %s: %w", k, err)
	}
	cb, err := encMode.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", k, err)
	}
	if len(cb)+2 > maxFrame {
		return nil, drop(DropOversize, "encode %s: %d bytes, at most %d", k, len(cb)+2, maxFrame)
	}
	return append([]byte{wireVersion, byte(k)}, cb...), nil
}

// Decode returns the core.Message or core.NodeState of a frame. Every error is a *DropError. The
// result shares no memory with the frame.
func Decode(frame []byte) (any, error) {
	if len(frame) > maxFrame {
		return nil, drop(DropOversize, "decode: %d bytes, at most %d", len(frame), maxFrame)
	}
	if len(frame) < 3 {
		return nil, drop(DropShort, "decode: %d bytes", len(frame))
	}
	if frame[0] != wireVersion {
		return nil, drop(DropVersion, "decode: version %d, want %d", frame[0], wireVersion)
	}
	k := kind(frame[1])
	body := k.empty()
	if body == nil {
		return nil, drop(DropKind, "decode: kind %d", frame[1])
	}
	if err := decMode.Unmarshal(frame[2:], body); err != nil {
		return nil, &DropError{Reason: cborReason(err), Err: fmt.Errorf("decode %s: %w", k, err)}
	}
	if err := walk(reflect.ValueOf(body).Elem(), verify); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k, err)
	}
	return body.toCore(), nil
}

// cborReason sorts the decoder's errors.
func cborReason(err error) DropReason {
	var (
		trailing *cbor.ExtraneousDataError
		deep     *cbor.MaxNestedLevelError
		elements *cbor.MaxArrayElementsError
		pairs    *cbor.MaxMapPairsError
	)
	switch {
	case errors.As(err, &trailing):
		return DropTrailing
	case errors.As(err, &deep):
		return DropTooDeep
	case errors.As(err, &elements), errors.As(err, &pairs):
		return DropTooMany
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return DropShort
	}
	return DropMalformed
}

// walk visits every string, duration and list of a wire struct, so that no field can be forgotten
// when one is added.
func walk(v reflect.Value, visit func(reflect.Value) error) error {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if err := walk(v.Field(i), visit); err != nil {
				return fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
			}
		}
		return nil
	case reflect.Slice:
		if v.Len() > maxEntries {
			return drop(DropTooMany, "%d entries, at most %d", v.Len(), maxEntries)
		}
		for i := range v.Len() {
			if err := walk(v.Index(i), visit); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(v)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	nameType     = reflect.TypeFor[core.Name]()
	kindType     = reflect.TypeFor[core.Kind]()
)

// tidy makes a value fit to be sent. A text is cut, for a long reason must not silence a node; a
// core.Name never, for it would name something else (Start sees to the names of nodes).
func tidy(v reflect.Value) error {
	switch {
	case v.Type() == durationType && v.Int() < 0:
		v.SetInt(0)
	case v.Kind() == reflect.String && v.Type() != nameType:
		v.SetString(cut(v.String()))
	}
	return verify(v)
}

// cut returns s as valid UTF-8 of at most maxText bytes.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// verify refuses what no agent sends.
func verify(v reflect.Value) error {
	switch {
	case v.Kind() == reflect.String && v.Len() > maxText:
		return drop(DropTooLong, "%d bytes, at most %d", v.Len(), maxText)
	case v.Type() == durationType && (v.Int() < 0 || v.Int() > int64(maxDuration)):
		return drop(DropBadValue, "%s", time.Duration(v.Int()))
	case v.Type() == kindType && (core.Kind(v.Uint()) < core.Fresh || core.Kind(v.Uint()) > core.Renewal):
		return drop(DropBadValue, "%s %d", core.Kind(v.Uint()), v.Uint())
	case v.Kind() == reflect.Int && (v.Int() < 0 || v.Int() > math.MaxInt32):
		return drop(DropBadValue, "%d", v.Int())
	}
	return nil
}
