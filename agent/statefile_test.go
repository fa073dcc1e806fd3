package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"memvip/agent/core"
)

const bootHere = "3e7f/net12"

// someState is what a node that holds two VIPs among three voters keeps.
func someState() core.Durable {
	term := core.Term{Epoch: 7, Node: "h1", ID: 1 << 63}
	return core.Durable{
		Boot: bootHere, Start: 4, Memory: 1<<64 - 1, Voters: []string{"h1", "h2", "h3"}, PreviousVoters: 9, Draining: true,
		Slots: []core.SlotRecord{
			{Name: vipA, Grant: core.Claimant{Node: "h1", Boot: bootHere, Start: 4}, Request: core.Request{Start: 4, Counter: 812},
				Length: 600_000_000, Last: term, Reserved: "h2", By: "h1"},
			{Name: core.HandbackSlot},
		},
		Service: []core.ServiceRecord{
			{VIP: vipA, Instance: mc, Served: term, Confirmed: map[string]uint64{"h2": 5, "h3": 6}, LastTerm: term},
			{VIP: vipB, Instance: mc, Proof: core.Proof{Incarnation: core.Incarnation{PID: 1, Start: 2}, Oldest: -3, TotalItems: 4, Restart: true}, Over: term},
		},
	}
}

func TestTheStateComesBackAsItWasSaved(t *testing.T) {
	for _, d := range []core.Durable{someState(), {Boot: bootHere}} {
		f := newStateFile(t.TempDir())
		for range 2 { // over an old one, too
			if err := f.Save(d); err != nil {
				t.Fatal(err)
			}
		}
		got, valid, problem := f.Load(bootHere)
		if !valid || problem != "" {
			t.Fatalf("valid=%t, problem %q", valid, problem)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("(-saved +loaded):\n%s", diff)
		}
		if names := namesIn(t, filepath.Dir(f.path)); len(names) != 1 {
			t.Errorf("left in the folder: %v", names)
		}
	}
}

func TestDamageMakesTheStateInvalidInWords(t *testing.T) {
	whole, err := encodeState(someState())
	if err != nil {
		t.Fatal(err)
	}
	text := string(whole)
	for _, c := range []struct {
		name, content, want string
	}{
		{"empty", "", "damaged: EOF"},
		{"torn", text[:len(text)/2], "damaged: unexpected EOF"},
		{"torn at the last byte but one", text[:len(text)-2], "damaged: unexpected EOF"},
		{"zeros, as after a power cut", strings.Repeat("\x00", len(text)), "damaged: invalid character '\\x00' looking for beginning of value"},
		{"one bit", strings.Replace(text, `"epoch":7`, `"epoch":6`, 1), ""},
		{"a digit", strings.Replace(text, `"start":4`, `"start":5`, 1), "damaged: checksum does not match"},
		{"another sum", strings.Replace(text, `{"crc32c":"`, `{"crc32c":"0`, 1), "damaged: checksum does not match"},
		{"no sum", strings.Replace(text, `"crc32c"`, `"content"`, 1), "damaged: checksum does not match"},
		{"two of it", text + text, "damaged: something follows the state"},
		{"something of somebody else's", `{"hello":1}`, `damaged: json: unknown field "hello"`},
		{"not JSON", "boot=1\n", "damaged: invalid character 'b' looking for beginning of value"},
		{"nothing with a right sum", signed("null"), "written by another version of the agent: state version 0, want 1"},
		{"no object with a right sum", signed(`[1]`), "damaged: json: cannot unmarshal array into Go value of type struct { Version int \"json:\\\"version\\\"\" }"},
		{"a later version", signed(`{"version":2,"state":"in another form"}`), "written by another version of the agent: state version 2, want 1"},
		{"a field too many", signed(`{"version":1,"state":{"boot":"x","colour":"red"}}`), `damaged: json: unknown field "colour"`},
		{"a wrong type", signed(`{"version":1,"state":{"boot":7}}`), "damaged: json: cannot unmarshal number into Go struct field Durable.state.boot of type string"},
		{"of another boot", signed(`{"version":1,"state":{"boot":"3e7f/net13"}}`), `of another boot or network namespace: "3e7f/net13", this is "3e7f/net12"`},
		{"of no boot", signed(`{"version":1,"state":{}}`), `of another boot or network namespace: "", this is "3e7f/net12"`},
		{"endless", strings.Repeat("x", stateBytesMax+1), "longer than 16777216 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "one bit" {
				c.content, c.want = strings.Replace(text, "h3", "h2", 1), "damaged: checksum does not match"
			}
			if c.content == text {
				t.Fatal("the case damages nothing")
			}
			f := newStateFile(t.TempDir())
			if err := os.WriteFile(f.path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			d, valid, problem := f.Load(bootHere)
			if valid || cmp.Diff(core.Durable{}, d) != "" {
				t.Errorf("valid=%t, state %+v", valid, d)
			}
			if want := f.path + ": " + c.want; problem != want {
				t.Errorf("problem\n %q, want\n %q", problem, want)
			}
		})
	}
}

// signed is a state file whose sum is right, whatever it says.
func signed(content string) string {
	return fmt.Sprintf(`{"crc32c":"%s","content":%s}`, sumOf([]byte(content)), content)
}

func TestNoStateFileIsNoProblem(t *testing.T) {
	if _, valid, problem := newStateFile(t.TempDir()).Load(bootHere); valid || problem != "" {
		t.Errorf("valid=%t, problem %q", valid, problem)
	}
	if _, valid, problem := newStateFile(filepath.Join(t.TempDir(), "absent")).Load(bootHere); valid || problem != "" {
		t.Errorf("without a folder: valid=%t, problem %q", valid, problem)
	}
}

func TestAStateFileThatCannotBeReadIsNotFatal(t *testing.T) {
	f := newStateFile(t.TempDir())
	if err := os.Mkdir(f.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, valid, problem := f.Load(bootHere); valid || problem != "read "+f.path+": is a directory" {
		t.Errorf("valid=%t, problem %q", valid, problem)
	}
	if err := f.Save(someState()); err == nil {
		t.Error("a folder was replaced by a file")
	}
}

func TestAFailedSaveLeavesTheFormerState(t *testing.T) {
	broken := errors.New("input/output error")
	for _, c := range []struct {
		name   string
		create func(path string) (io.WriteCloser, error)
	}{
		{"not created", func(string) (io.WriteCloser, error) { return nil, broken }},
		{"not written", func(string) (io.WriteCloser, error) { return failingFile{broken, nil}, nil }},
		{"not closed", func(string) (io.WriteCloser, error) { return failingFile{nil, broken}, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newStateFile(t.TempDir())
			if err := f.Save(someState()); err != nil {
				t.Fatal(err)
			}
			f.create = c.create
			if err := f.Save(core.Durable{Boot: bootHere}); !errors.Is(err, broken) {
				t.Errorf("saved with %v", err)
			}
			if d, valid, _ := f.Load(bootHere); !valid || d.Start != 4 {
				t.Errorf("the former state is gone: valid=%t %+v", valid, d)
			}
		})
	}
}

type failingFile struct{ write, close error }

func (f failingFile) Write(p []byte) (int, error) { return len(p), f.write }
func (f failingFile) Close() error                { return f.close }

func TestAFullDiskIsSurvived(t *testing.T) {
	dir := smallDisk(t, 64<<10)
	f := newStateFile(dir)
	if err := f.Save(someState()); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	big := someState()
	big.Start = 5
	err := f.Save(big)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("saved on a full disk: %v", err)
	}
	if want := "save state: write " + f.newPath + ": no space left on device"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if d, valid, problem := f.Load(bootHere); !valid || d.Start != 4 {
		t.Errorf("the former state is gone: valid=%t %q", valid, problem)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(big); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	if d, valid, _ := f.Load(bootHere); !valid || d.Start != 5 {
		t.Error("the newer state was not kept")
	}
}

// A reader at any moment of a save sees one of the two states, whole.
func TestASaveIsSeenWholeOrNotAtAll(t *testing.T) {
	f := newStateFile(t.TempDir())
	d := someState()
	if err := f.Save(d); err != nil {
		t.Fatal(err)
	}
	saved := make(chan error)
	go func() {
		var err error
		for i := uint64(0); i < 300 && err == nil; i++ {
			d.Start = i
			err = f.Save(d)
		}
		saved <- err
	}()
	for reads := 0; ; reads++ {
		select {
		case err := <-saved:
			if err != nil || reads == 0 {
				t.Fatalf("%d reads, %v", reads, err)
			}
			return
		default:
		}
		if _, valid, problem := f.Load(bootHere); !valid {
			t.Fatalf("seen half: %s", problem)
		}
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func FuzzDecodeState(f *testing.F) {
	whole, err := encodeState(someState())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)-3], false)
	seeds, err := filepath.Glob("testdata/state/*.json")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("the seed corpus is empty (%v)", err)
	}
	for _, path := range seeds {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		text = bytes.TrimSpace(text) // the sum is of the value alone
		if _, err := decodeState([]byte(signed(string(text)))); err != nil && strings.Contains(err.Error(), "checksum") {
			f.Fatalf("%s: %v", path, err)
		}
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, sign bool) {
		if sign { // past the checksum
			text = []byte(signed(string(text)))
		}
		d, err := decodeState(text)
		if err != nil {
			if cmp.Diff(core.Durable{}, d) != "" {
				t.Errorf("a state beside an error: %+v", d)
			}
			return
		}
		again, err := encodeState(d)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		// An empty list or map is written as none.
		if second, err := decodeState(again); err != nil || cmp.Diff(d, second, cmpopts.EquateEmpty()) != "" {
			t.Errorf("%+v became %+v, %v", d, second, err)
		}
	})
}

func BenchmarkSaveState(b *testing.B) {
	for _, vips := range []int{3, 32} {
		d := stateOf(vips)
		for place, dir := range map[string]string{"tmpfs": smallDisk(b, 1<<20), "disk": b.TempDir()} {
			b.Run(fmt.Sprintf("vips=%d/%s", vips, place), func(b *testing.B) {
				f := newStateFile(dir)
				for b.Loop() {
					if err := f.Save(d); err != nil {
						b.Fatal(err)
					}
				}
				if info, err := os.Stat(f.path); err == nil {
					b.ReportMetric(float64(info.Size()), "bytes")
				}
			})
		}
	}
}

// stateOf is what a node keeps of so many VIPs.
func stateOf(vips int) core.Durable {
	d := someState()
	slot, record := d.Slots[0], d.Service[0]
	d.Slots, d.Service = nil, nil
	for i := range vips {
		slot.Name = core.Name(fmt.Sprintf("10.0.1.%d", i))
		record.VIP = slot.Name
		d.Slots, d.Service = append(d.Slots, slot), append(d.Service, record)
	}
	return d
}
