package health

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing"
	"testing/quick"

	"golang.org/x/sys/unix"
)

// kernelAck is the kernel's answer to a subscription, as Linux 6.18 sent it on a little-endian machine.
const kernelAck = "4c000000030000000000000000000000" + "0100000001000000000000000100000028000000" +
	"0000000001000000bd39ee9d46010000000000000000000000000000000000000000000000000000"

// sample returns kernelAck in the order of this machine: up to the time all is made of numbers of four bytes, but for the
// one of two that says how long the event is.
func sample(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(kernelAck)
	if err != nil {
		t.Fatal(err)
	}
	if loaded(1) != 1 {
		return b
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	copy(b[nlHeaderBytes+cnLenOffset:], []byte{0, 40, 0, 0})
	return b
}

func TestDecodeKernelsAnswer(t *testing.T) {
	b := sample(t)
	ev, rest, err := decodeProcEvent(b)
	if err != nil || ev.what != eventNone || ev.ack != 1 || ev.ackErr != 0 || len(rest) != 0 {
		t.Errorf("got %+v, %d bytes left, error %v", ev, len(rest), err)
	}
}

func TestDecodeProcEvent(t *testing.T) {
	good := exitMessage(7, 9)
	for name, c := range map[string]struct {
		b    []byte
		want procEvent
		bad  bool
	}{
		"exit":             {b: good, want: procEvent{what: eventExit, pid: 7, tgid: 9, monotonic: 123456789}},
		"half_a_header":    {b: good[:10], bad: true},
		"cut_short":        {b: good[:len(good)-1], bad: true},
		"length_too_small": {b: with(good, 0, 20), bad: true},
		"length_too_big":   {b: with(good, 0, 0xffffffff), bad: true},
		"other_connector":  {b: with(good, nlHeaderBytes, 5), bad: true},
		"event_too_small":  {b: with(good, nlHeaderBytes+cnLenOffset, 8), bad: true},
		"event_too_big":    {b: with(good, nlHeaderBytes+cnLenOffset, 1000), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := decodeProcEvent(c.b)
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("got %+v, error %v; want %+v, bad %t", got, err, c.want, c.bad)
			}
		})
	}
	two := append(bytes.Clone(good), exitMessage(8, 8)...)
	_, rest, err := decodeProcEvent(two)
	if err != nil || !bytes.Equal(rest, exitMessage(8, 8)) {
		t.Errorf("after the first of two: %x, %v", rest, err)
	}
	if _, _, err := decodeProcEvent(nil); !errors.Is(err, io.EOF) {
		t.Errorf("nothing gives %v, want io.EOF", err)
	}
}

// with returns a copy of b with a number in the host's order at the offset.
func with(b []byte, offset int, v uint32) []byte {
	c := bytes.Clone(b)
	copy(c[offset:], []byte{0, 0, 0, 0})
	for i := range 4 {
		c[offset+i] = byte(v >> (8 * i))
	}
	if loaded(1) == 1 {
		c[offset], c[offset+1], c[offset+2], c[offset+3] = c[offset+3], c[offset+2], c[offset+1], c[offset]
	}
	return c
}

func TestRequestsAreReadBack(t *testing.T) {
	err := quick.Check(func(ack uint32, pid, tgid int32) bool {
		request := encodeOp(ack, make([]byte, 40))
		ev, rest, err := decodeProcEvent(request)
		exit, _, errExit := decodeProcEvent(exitMessage(int(pid), int(tgid)))
		return err == nil && ev.ack == ack && len(rest) == 0 && errExit == nil && exit.pid == int(pid) && exit.tgid == int(tgid)
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func FuzzDecodeProcEvent(f *testing.F) {
	f.Add(sample(f))
	f.Add(exitMessage(7, 9))
	f.Add(append(exitMessage(7, 7), exitMessage(8, 8)[:30]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			_, rest, err := decodeProcEvent(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatalf("no progress: %d of %d bytes left", len(rest), len(b))
			}
			b = rest
		}
	})
}

func FuzzDecodeDiag(f *testing.F) {
	answer := make([]byte, nlHeaderBytes+diagAnswerBytes)
	copy(answer, with(answer, 0, uint32(len(answer))))
	answer[4] = unix.SOCK_DIAG_BY_FAMILY
	answer[nlHeaderBytes+1] = tcpListen
	answer[nlHeaderBytes+diagInodeOffset] = 42
	if inode, err := decodeDiag(answer); err != nil || inode == 0 {
		f.Fatalf("seed gives inode %d, %v", inode, err)
	}
	f.Add(answer)
	f.Add(answer[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if inode, err := decodeDiag(b); err != nil && inode != 0 {
			t.Errorf("inode %d and error %v", inode, err)
		}
	})
}

func FuzzParseProc(f *testing.F) {
	for _, name := range []string{"/proc/self/stat", "/proc/self/status", "/proc/1/stat"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("1 (a) b) Z 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 99 0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseStat(b); err != nil && got != (task{}) {
			t.Errorf("%+v and error %v", got, err)
		}
		parseStatus(b)
	})
}

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		b    string
		want task
		bad  bool
	}{
		"running":       {b: "1 (a) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 99 0", want: task{started: 99}},
		"exiting":       {b: "1 (a) R 1 1 1 0 -1 4194308 0 0 0 0 0 0 0 0 20 0 1 0 99 0", want: task{started: 99, ending: true}},
		"zombie":        {b: "1 (a) Z 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 99 0", want: task{started: 99, ending: true}},
		"strange_name":  {b: "1 (a) Z (b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0", want: task{started: 99}},
		"too_short":     {b: "1 (a) S 1 1 1", bad: true},
		"without_name":  {b: "1 a S", bad: true},
		"not_a_number":  {b: "1 (a) S 1 1 1 0 -1 x 0 0 0 0 0 0 0 0 20 0 1 0 99 0", bad: true},
		"number_beyond": {b: "1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99999999999999999999 0", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat([]byte(c.b)); got != c.want || (err != nil) != c.bad {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	killed := parseStatus([]byte("Name:\tmemcached\nNSpid:\t77\t1\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n"))
	if want := (status{name: "memcached", namespaces: 2, killed: true}); killed != want {
		t.Errorf("got %+v, want %+v", killed, want)
	}
}

func TestLookTellsAnEndedProcess(t *testing.T) {
	sleeper := startSleeper(t)
	id := identity{pid: sleeper.Process.Pid}
	seen, err := look(id.pid)
	if err != nil || seen.ending {
		t.Fatalf("a running process: %+v, %v", seen, err)
	}
	if age, err := seen.age(); err != nil || age < -patience || age > patience {
		t.Errorf("age %v, %v", age, err)
	}
	id.started = seen.started
	if id.gone() {
		t.Error("a running process is gone")
	}
	id.started--
	if !id.gone() {
		t.Error("a process that started at another time is taken for the one known")
	}
	id.started++
	kill(t, sleeper)
	if _, err := look(id.pid); !errors.Is(err, fs.ErrNotExist) || !id.gone() {
		t.Errorf("an ended process: %v, gone %t", err, id.gone())
	}
	if (identity{}).gone() {
		t.Error("an unknown process is gone")
	}
}
