package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
)

// noted is an entry of a test, told apart by its detail.
func noted(detail string) Entry {
	return Entry{Time: at, Kind: KindChange, VIP: "10.0.0.101", Detail: detail}
}

func details(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Detail)
	}
	return out
}

func seqs(entries []Entry) []uint64 {
	var out []uint64
	for _, e := range entries {
		out = append(out, e.Seq)
	}
	return out
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// wrote leaves entries in a directory, as an earlier life of the agent would.
func wrote(t *testing.T, dir string, entries ...Entry) {
	t.Helper()
	s := Open(dir, Options{Node: "cache1", Start: 1})
	for _, e := range entries {
		s.Append(e)
	}
	closed(t, s)
}

func TestStoreGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	transition := core.Transition{
		Name: "10.0.0.101", From: "holding", To: "dropping", Cause: core.CauseLeaseLost, Peer: "cache3", Detail: "<\"&>\x00\xff",
		Term: core.Term{Epoch: 7, Node: "cache1", ID: 0xabcd}, Since: 90 * time.Second,
	}
	wrote(t, dir, Starts("v1.2.3", at), FromTransition(transition, at.Add(time.Nanosecond)))
	s := Open(dir, Options{Node: "cache1", Start: 2})
	defer closed(t, s)
	s.Append(Asked("drain", "", "cache2", at))
	want := []Entry{
		{Time: at, Node: "cache1", Start: 1, Seq: 1, Kind: KindStarts, Detail: "v1.2.3"},
		{
			Time: at, Node: "cache1", Start: 1, Seq: 2, Kind: KindChange, VIP: "10.0.0.101", From: "holding", To: "dropping",
			Cause: "lease_lost", Peer: "cache3", Detail: "<\"&>\x00?", Lasted: 90_000, Epoch: 7, Term: "7/cache1/abcd",
		},
		{Time: at, Node: "cache1", Start: 2, Seq: 3, Kind: KindCommand, Command: "drain", By: "cache2"},
	}
	if diff := cmp.Diff(want, s.Read(Filter{})); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(dir, newestName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestStoreSkipsWhatIsNoEntry(t *testing.T) {
	dir := t.TempDir()
	wrote(t, dir, noted("one"), noted("two"), noted("three"))
	path := filepath.Join(dir, newestName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	damaged := lines[0] + "no JSON\n" + lines[1] + "{}\n" + lines[2] + lines[2][:len(lines[2])/2]
	if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Open(dir, Options{Node: "cache1", Start: 2})
	defer closed(t, s)
	if n := s.Counts().Skipped; n != 1 {
		t.Errorf("%d skipped at the end", n)
	}
	s.Append(noted("four"))
	got := s.Read(Filter{})
	if diff := cmp.Diff([]string{"one", "two", "three", "four"}, details(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4}, seqs(got)); diff != "" {
		t.Error(diff)
	}
	if n := s.Counts().Skipped; n != 3 {
		t.Errorf("%d skipped", n)
	}
}

func TestStoreKeepsTwoGenerations(t *testing.T) {
	dir := t.TempDir()
	f := newFiles(dir)
	f.bytesMax = 2000
	s := open(f, Options{Node: "cache1", Start: 1})
	const appended = 100
	for i := range appended {
		s.Append(noted(fmt.Sprint(i)))
	}
	closed(t, s)
	for _, name := range []string{newestName, formerName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > f.bytesMax {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	got := seqs(s.Read(Filter{}))
	if len(got) < 10 || len(got) >= appended || got[len(got)-1] != appended {
		t.Fatalf("kept %v", got)
	}
	for i := range got[1:] {
		if got[i]+1 != got[i+1] {
			t.Fatalf("kept %v", got)
		}
	}
}

// TestStoreGoesOnFromTheFormerGeneration: right after a change of generations the newest may be missing.
func TestStoreGoesOnFromTheFormerGeneration(t *testing.T) {
	dir := t.TempDir()
	wrote(t, dir, noted("one"), noted("two"))
	if err := os.Rename(filepath.Join(dir, newestName), filepath.Join(dir, formerName)); err != nil {
		t.Fatal(err)
	}
	wrote(t, dir, noted("three"))
	s := Open(dir, Options{Node: "cache1", Start: 3})
	defer closed(t, s)
	if diff := cmp.Diff([]uint64{1, 2, 3}, seqs(s.Read(Filter{}))); diff != "" {
		t.Error(diff)
	}
}

// fullDisk is a file on a disk that may have room for half of what is written.
type fullDisk struct {
	*os.File
	full *atomic.Bool
}

func (d fullDisk) Write(text []byte) (int, error) {
	if !d.full.Load() {
		return d.File.Write(text)
	}
	n, err := d.File.Write(text[:len(text)/2])
	return n, errors.Join(err, syscall.ENOSPC)
}

// onFullDisk returns a store whose disk is full as long as full says so, and what its Failed is told.
func onFullDisk(t *testing.T) (s *Store, full *atomic.Bool, told chan error) {
	f := newFiles(t.TempDir())
	full, told = &atomic.Bool{}, make(chan error, 100)
	f.open = func(path string) (appendable, error) {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		return fullDisk{file, full}, err
	}
	return open(f, Options{Node: "cache1", Start: 1, Failed: func(err error) { told <- err }}), full, told
}

func TestStoreOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, full, told := onFullDisk(t)
		var want []string
		add := func(detail string) {
			want = append(want, detail)
			s.Append(noted(detail))
		}
		for round := range 2 {
			add("there is room")
			synctest.Wait()
			full.Store(true)
			for i := range 10 {
				add(fmt.Sprint(round, i))
				synctest.Wait()
			}
			if err := <-told; !errors.Is(err, syscall.ENOSPC) || len(told) > 0 {
				t.Errorf("told %v, and %d more", err, len(told))
			}
			if diff := cmp.Diff(want, details(s.Read(Filter{}))); diff != "" {
				t.Error(diff)
			}
			full.Store(false)
		}
		closed(t, s)
		if diff := cmp.Diff(want, details(s.Read(Filter{}))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(Counts{WriteFailed: 20}, s.Counts()); diff != "" || len(told) > 0 {
			t.Errorf("told %d times more, %s", len(told), diff)
		}
	})
}

func TestStoreDropsTheOldest(t *testing.T) {
	s, full, _ := onFullDisk(t)
	full.Store(true)
	const over = 10
	for range queueMax + over {
		s.Append(noted(""))
	}
	got := s.Read(Filter{})
	if len(got) != queueMax || got[0].Seq != over+1 || s.Counts().Dropped != over {
		t.Errorf("%d entries from %d, %+v", len(got), got[0].Seq, s.Counts())
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: %v", err)
	}
}

func TestAppendDoesNotWaitForTheDisk(t *testing.T) {
	f := newFiles(t.TempDir())
	openFile, goOn := f.open, make(chan struct{})
	f.open = func(path string) (appendable, error) {
		<-goOn
		return openFile(path)
	}
	s := open(f, Options{Node: "cache1", Start: 1})
	for range 100 {
		s.Append(noted("")) // returns, or the test hangs
	}
	close(goOn)
	closed(t, s)
	if n := len(s.Read(Filter{})); n != 100 {
		t.Errorf("%d entries", n)
	}
}

func TestStoreIsClosed(t *testing.T) {
	s := Open(t.TempDir(), Options{Node: "cache1", Start: 1})
	s.Append(noted("in time"))
	closed(t, s)
	s.Append(noted("too late"))
	closed(t, s)
	if diff := cmp.Diff([]string{"in time"}, details(s.Read(Filter{}))); diff != "" {
		t.Error(diff)
	}
	if n := s.Counts().Dropped; n != 1 {
		t.Errorf("%d dropped", n)
	}
}

func TestStoreWithoutADirectory(t *testing.T) {
	told := make(chan error, 10)
	s := Open(filepath.Join(t.TempDir(), "missing"), Options{Node: "cache1", Start: 1, Failed: func(err error) { told <- err }})
	s.Append(noted("one"))
	if diff := cmp.Diff([]string{"one"}, details(s.Read(Filter{}))); diff != "" {
		t.Error(diff)
	}
	if err := s.Close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("close: %v", err)
	}
	if err := <-told; !errors.Is(err, os.ErrNotExist) || len(told) > 0 {
		t.Errorf("told %v and %d more", err, len(told))
	}
}

func TestStoreThatCannotRead(t *testing.T) {
	dir := t.TempDir()
	wrote(t, dir, noted("one"))
	if err := os.Mkdir(filepath.Join(dir, formerName), 0o700); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 10)
	s := Open(dir, Options{Node: "cache1", Start: 2, Failed: func(err error) { told <- err }})
	defer closed(t, s)
	if diff := cmp.Diff([]string{"one"}, details(s.Read(Filter{}))); diff != "" {
		t.Error(diff)
	}
	if err := <-told; !errors.Is(err, syscall.EISDIR) || len(told) > 0 {
		t.Errorf("told %v and %d more", err, len(told))
	}
}

// TestStoreIsReadWhileItIsWritten: no entry is missing or there twice at any moment.
func TestStoreIsReadWhileItIsWritten(t *testing.T) {
	s := Open(t.TempDir(), Options{Node: "cache1", Start: 1})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				s.Append(noted(""))
			}
		})
	}
	for n := 0; n < 400; {
		got := seqs(s.Read(Filter{}))
		for i, seq := range got {
			if seq != uint64(i)+1 {
				t.Fatalf("read %v", got)
			}
		}
		if len(got) < n {
			t.Fatalf("%d entries after %d", len(got), n)
		}
		n = len(got)
	}
	writers.Wait()
	closed(t, s)
}

func TestFilter(t *testing.T) {
	entries := []Entry{
		entry("a", 1, "v", 1, 0), entry("b", 1, "w", 1, 1), entry("a", 2, "", 0, 2), entry("a", 3, "v", 2, 3), entry("b", 2, "v", 3, 4),
	}
	for _, c := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"all", Filter{}, []string{"a1", "b1", "a2", "a3", "b2"}},
		{"since", Filter{Since: at.Add(2 * time.Second)}, []string{"a2", "a3", "b2"}},
		{"vip", Filter{VIP: "v"}, []string{"a1", "a3", "b2"}},
		{"node", Filter{Node: "b"}, []string{"b1", "b2"}},
		{"newest", Filter{VIP: "v", Limit: 2}, []string{"a3", "b2"}},
		{"limit above", Filter{Limit: 99}, []string{"a1", "b1", "a2", "a3", "b2"}},
		{"none", Filter{VIP: "x"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(entries)
			if diff := cmp.Diff(c.want, names(c.filter.Select(entries))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, entries); diff != "" {
				t.Errorf("the list was changed: %s", diff)
			}
		})
	}
}

// TestBounded: however long or odd an entry is, it fits and reads back as it was returned.
func TestBounded(t *testing.T) {
	long := strings.Repeat("\x00ü", 5000)
	e := bounded(Entry{
		Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), Node: "cache1", Seq: 1, Kind: KindChange,
		VIP: long, From: long, To: long, Peer: long, Detail: long, Command: long, By: long,
	})
	line, err := encode(e)
	if err != nil || len(line) > 64<<10 {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	got, ok := decode(line)
	if diff := cmp.Diff(e, got); diff != "" || !ok {
		t.Error(ok, diff)
	}
}

func FuzzLines(f *testing.F) {
	line, err := encode(Entry{Time: at, Node: "cache1", Seq: 3, Kind: KindChange, Detail: "x"})
	if err != nil {
		f.Fatal(err)
	}
	whole := string(line)
	for _, text := range []string{"", "\n", whole, whole + whole, whole + whole[:20], "{}\n" + whole + "\n\n", whole[:20] + "\n" + whole} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, skipped := decodeAll(text)
		seq, after := lastSeq(text)
		if len(entries) > 0 && seq != entries[len(entries)-1].Seq || len(entries) == 0 && seq != 0 || after > skipped {
			t.Errorf("%d entries, %d skipped; last %d, %d after it", len(entries), skipped, seq, after)
		}
		for _, e := range entries {
			if line, err := encode(bounded(e)); err != nil {
				t.Errorf("%+v: %v", e, err)
			} else if _, ok := decode(line); !ok {
				t.Errorf("%s is not read back", line)
			}
		}
	})
}
