package history

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of the two generations in the runtime directory, and the size that starts a new one: the
// newest entries are in the first, and what was there before goes into the second, instead of what that
// held. At some 250 bytes an entry, between 2,000 and 4,000 entries are kept. Raising the size costs memory,
// since the directory is a tmpfs, and time in Read.
const (
	newestName         = "history.jsonl"
	formerName         = "history.1.jsonl"
	generationBytesMax = 512 << 10
)

// files are the two generations. They are opened anew for every write, so that one that somebody removes costs
// what was in it and no more. Not for use by two goroutines at once.
type files struct {
	newest, former string
	bytesMax       int64
	// open opens a file for appending; tests put a failing one here.
	open func(path string) (appendable, error)
}

// appendable is what an *os.File can do, as far as it is needed.
type appendable interface {
	io.ReaderAt
	io.WriteCloser
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
}

func newFiles(dir string) *files {
	return &files{
		newest: filepath.Join(dir, newestName), former: filepath.Join(dir, formerName), bytesMax: generationBytesMax,
		open: func(path string) (appendable, error) {
			return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		},
	}
}

// append writes entries in their order, and returns how many are in the files. After an error the others are
// not, nor are parts of them.
func (f *files) append(entries []Entry) (written int, err error) {
	for written < len(entries) {
		n, err := f.fill(entries[written:])
		written += n
		if err != nil {
			return written, err
		}
		if written == len(entries) {
			break
		}
		if err := os.Rename(f.newest, f.former); err != nil {
			return written, err
		}
	}
	return written, nil
}

// fill writes as many entries as fit into the newest generation; into an empty one at least the first.
func (f *files) fill(entries []Entry) (written int, err error) {
	file, err := f.open(f.newest)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, lead, err := endOf(file)
	if err != nil {
		return 0, err
	}
	text, n, err := linesFor(entries, lead, f.bytesMax-size, size == 0)
	if err != nil || n == 0 {
		return 0, err
	}
	if _, err := file.Write(text); err != nil {
		return 0, errors.Join(err, file.Truncate(size)) // no half line stays, and a full disk gets its bytes back
	}
	return n, nil
}

// endOf returns a file's size, and what has to be written before the next line: a line feed after a line
// that a crash tore.
func endOf(file appendable) (size int64, lead []byte, err error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0, nil, err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return 0, nil, err
	}
	if last[0] != '\n' {
		lead = []byte{'\n'}
	}
	return info.Size(), lead, nil
}

// linesFor encodes as many entries as fit with the lead into room, in bytes; with atLeastOne the first in any
// case.
func linesFor(entries []Entry, lead []byte, room int64, atLeastOne bool) (text []byte, n int, err error) {
	text = lead
	for _, e := range entries {
		line, err := encode(e)
		if err != nil {
			return nil, 0, err
		}
		if int64(len(text)+len(line)) > room && !(atLeastOne && n == 0) {
			break
		}
		text, n = append(text, line...), n+1
	}
	return text, n, nil
}

// read returns the text of both generations, the former first. A file that is not there is empty. With an
// error comes what could be read.
func (f *files) read() ([]byte, error) {
	former, err := readEnd(f.former, f.bytesMax)
	newest, newestErr := readEnd(f.newest, f.bytesMax)
	if len(former) > 0 {
		former = append(former, '\n') // it may end in a torn line
	}
	return append(former, newest...), errors.Join(err, newestErr)
}

// readEnd returns the last bytes of a file: all of it, unless somebody else made it longer.
func readEnd(path string, bytesMax int64) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-bytesMax)
	return io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
}
