package lab

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// netlinkMessages cuts a buffer into messages, and fails if they do not fill it exactly.
func netlinkMessages(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(b) > 0 {
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) || n%4 != 0 {
			t.Fatalf("message of %d bytes with %d left", n, len(b))
		}
		all = append(all, b[:n])
		b = b[n:]
	}
	return all
}

// A batch is one transaction: begin, replace the table, one rule a pair, end. (What the kernel makes of it is
// the business of the integration tests.)
func TestDropBatchIsOneTransaction(t *testing.T) {
	for _, pairs := range [][]pair{nil, {{2, 3}}, {{2, 3}, {3, 2}, {4, 2}}} {
		messages := netlinkMessages(t, dropBatch(pairs).b)
		kinds := []uint16{unix.NFNL_MSG_BATCH_BEGIN, 0xa00, 0xa02, 0xa00, 0xa03}
		for range pairs {
			kinds = append(kinds, 0xa06)
		}
		kinds = append(kinds, unix.NFNL_MSG_BATCH_END)
		if len(messages) != len(kinds) {
			t.Fatalf("%d pairs make %d messages, want %d", len(pairs), len(messages), len(kinds))
		}
		for i, m := range messages {
			if got := binary.NativeEndian.Uint16(m[4:]); got != kinds[i] {
				t.Errorf("message %d is of kind %#x, want %#x", i, got, kinds[i])
			}
			if got := binary.NativeEndian.Uint32(m[8:]); got != uint32(i+1) {
				t.Errorf("message %d has sequence number %d", i, got)
			}
		}
	}
}

func ack(code int32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 20)
	b = binary.NativeEndian.AppendUint16(b, unix.NLMSG_ERROR)
	b = append(b, make([]byte, 10)...)
	return binary.NativeEndian.AppendUint32(b, uint32(code))
}

func TestReadAcks(t *testing.T) {
	if n, err := readAcks(append(ack(0), ack(0)...)); n != 2 || err != nil {
		t.Errorf("two acknowledgements: %d, %v", n, err)
	}
	if _, err := readAcks(append(ack(0), ack(-int32(unix.EPERM))...)); err != unix.EPERM {
		t.Errorf("refusal: %v, want %v", err, unix.EPERM)
	}
	if _, err := readAcks([]byte("\xff\xff\xff\xff and then some more bytes")); err == nil {
		t.Error("a length beyond the end is accepted")
	}
}

func FuzzReadAcks(f *testing.F) {
	f.Add(ack(0))
	f.Add(ack(-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := readAcks(b); err == nil && int(n) > len(b)/unix.SizeofNlMsghdr {
			t.Errorf("%d acknowledgements in %d bytes", n, len(b))
		}
	})
}
