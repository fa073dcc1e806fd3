package history

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// queueMax is how many entries may wait for the writer. Beyond it the oldest are dropped and counted. A
// failover of a hundred VIPs makes some 500 entries; more room would matter only while the disk is full.
const queueMax = 2048

// Options says whose timeline a Store keeps.
type Options struct {
	Node  string // the node's name
	Start uint64 // the number of the agent's life that begins
	// Failed is told when the files cannot be written or read: once, and again only if it happens after
	// they could. It is called from the writer's goroutine, and from those that call Open and Read. nil: nobody
	// is told.
	Failed func(error)
}

// Counts are figures of a Store since Open.
type Counts struct {
	Dropped     uint64 // entries lost: there was no room in the queue, or the store was closed
	WriteFailed uint64 // attempts to write that failed; their entries wait for the next one
	Skipped     int    // lines that were torn or damaged, when the files were last read
}

// Store keeps the timeline of one node. Its methods may be called from any goroutine.
type Store struct {
	node  string
	start uint64

	wake chan struct{} // holds a token while entries may wait; closed by Close
	done chan struct{} // closed when the writer has ended

	fileMu  sync.Mutex // held while the files are in use, and taken before queueMu
	files   *files
	writing trouble
	reading trouble

	queueMu sync.Mutex // never held while anything waits for a disk
	seq     uint64     // of the last entry
	queue   []Entry    // Invariant: goes into the files under fileMu only, so that each entry is here or there
	closed  bool
	counts  Counts
}

// trouble is told once, until the same has succeeded.
type trouble struct {
	mu     sync.Mutex
	last   error // nil: the last attempt succeeded
	failed func(error)
}

func (t *trouble) note(err error) {
	t.mu.Lock()
	news := err != nil && t.last == nil
	t.last = err
	t.mu.Unlock()
	if news && t.failed != nil {
		t.failed(err)
	}
}

// Open returns the store of a runtime directory, which must exist, and goes on with the sequence numbers
// of the entries there. It does not fail: an agent does without a history that it cannot read or write. The
// caller closes the store.
func Open(dir string, o Options) *Store { return open(newFiles(dir), o) }

func open(f *files, o Options) *Store {
	s := &Store{
		node: o.Node, start: o.Start, files: f, wake: make(chan struct{}, 1), done: make(chan struct{}),
		writing: trouble{failed: o.Failed}, reading: trouble{failed: o.Failed},
	}
	text, err := f.read()
	s.reading.note(wrapped("read", err))
	s.seq, s.counts.Skipped = lastSeq(text)
	go s.run()
	return s
}

func wrapped(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("history: %s: %w", operation, err) // the operating system's error names the file
}

// Append adds an entry to the timeline. The store sets its node, start and sequence number, and its time
// to now if it has none. Append never waits for a disk: without room in the queue the oldest entry there is
// dropped, after Close this one.
func (s *Store) Append(e Entry) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Node, e.Start = s.node, s.start
	e = bounded(e)
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	if s.closed {
		s.counts.Dropped++
		return
	}
	s.seq++
	e.Seq = s.seq
	s.queue = append(s.queue, e)
	s.makeRoom()
	select {
	case s.wake <- struct{}{}:
	default: // the writer has not yet looked
	}
}

// makeRoom drops the oldest entries that are too many. queueMu is held.
func (s *Store) makeRoom() {
	if over := len(s.queue) - queueMax; over > 0 {
		s.queue = s.queue[over:]
		s.counts.Dropped += uint64(over)
	}
}

// Read returns the entries that a filter wants, in the order of the timeline, with those that are not yet
// written. It waits for a write that is under way. Of files that cannot be read, it returns what can be.
func (s *Store) Read(f Filter) []Entry {
	text, waiting, err := s.snapshot()
	s.reading.note(wrapped("read", err))
	entries, skipped := decodeAll(text)
	s.queueMu.Lock()
	s.counts.Skipped = skipped
	s.queueMu.Unlock()
	return f.Select(append(entries, waiting...))
}

// snapshot returns what the files and the queue hold at one moment.
func (s *Store) snapshot() (text []byte, waiting []Entry, err error) {
	s.fileMu.Lock()
	defer s.fileMu.Unlock()
	text, err = s.files.read()
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	return text, slices.Clone(s.queue), err
}

// Counts returns the figures.
func (s *Store) Counts() Counts {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	return s.counts
}

// Close writes what waits and ends the writer. The error says what could not be written. What is
// appended afterwards is dropped; Read goes on to work.
func (s *Store) Close() error {
	s.queueMu.Lock()
	if !s.closed {
		s.closed = true
		close(s.wake)
	}
	s.queueMu.Unlock()
	<-s.done
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	if left := len(s.queue); left > 0 {
		return fmt.Errorf("history: %d entries not written: %w", left, s.writing.last)
	}
	return nil
}

// run is the writer.
func (s *Store) run() {
	defer close(s.done)
	for range s.wake {
		s.write()
	}
	s.write() // what came with the last token
}

// write moves what waits into the files, and back into the queue what could not be written.
func (s *Store) write() {
	err := s.moveToFiles()
	s.writing.note(wrapped("write", err))
}

func (s *Store) moveToFiles() error {
	s.fileMu.Lock()
	defer s.fileMu.Unlock()
	batch := s.takeAll()
	if len(batch) == 0 {
		return nil
	}
	written, err := s.files.append(batch)
	if err != nil {
		s.putBack(batch[written:])
	}
	return err
}

func (s *Store) takeAll() []Entry {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	batch := s.queue
	s.queue = nil
	return batch
}

func (s *Store) putBack(batch []Entry) {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	s.counts.WriteFailed++
	s.queue = append(batch, s.queue...)
	s.makeRoom()
}
