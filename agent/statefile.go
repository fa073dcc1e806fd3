package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"memvip/agent/core"
)

// The state file's names in the runtime directory. A new state is written beside the old one and then
// takes its place, so the file is whole at every moment.
const (
	stateName    = "state.json"
	stateNewName = "state.json.new"
)

// stateVersion names the meaning of the file's content. An agent takes only its own: what another
// version meant by a record of service is not for guessing.
const stateVersion = 1

// stateBytesMax bounds what is read; a thousand VIPs need a tenth of it.
const stateBytesMax = 16 << 20

// stateFile is the file in which the machine's state outlives the process. It lives in the runtime
// directory, which a reboot empties, so nothing is forced to a disk.
type stateFile struct {
	path, newPath string
	// create opens a file for writing from its start; tests put a failing one here.
	create func(path string) (io.WriteCloser, error)
}

func newStateFile(dir string) *stateFile {
	return &stateFile{
		path: filepath.Join(dir, stateName), newPath: filepath.Join(dir, stateNewName),
		create: createPlain,
	}
}

// createPlain is os.OpenFile but for the four system calls that ask whether the file can be waited for. It is on the way to
// every grant.
func createPlain(path string) (io.WriteCloser, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Save replaces the file. After an error the former state is still in it.
func (f *stateFile) Save(d core.Durable) error {
	text, err := encodeState(d)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := f.replace(text); err != nil {
		return fmt.Errorf("save state: %w", err) // the operating system's error names the file
	}
	return nil
}

func (f *stateFile) replace(text []byte) error {
	w, err := f.create(f.newPath)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, removeIfThere(f.newPath)) // a full disk gets its bytes back
	}
	return os.Rename(f.newPath, f.path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Load returns what an earlier life of this very host boot kept. Everything else is not valid, with the
// reason in words, or without one if there simply is no file. It is never an error: the machine knows
// how to begin with nothing.
func (f *stateFile) Load(boot string) (d core.Durable, valid bool, problem string) {
	text, err := readAtMost(f.path, stateBytesMax)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return core.Durable{}, false, ""
	case err != nil:
		return core.Durable{}, false, err.Error()
	}
	d, err = decodeState(text)
	switch {
	case err != nil:
		return core.Durable{}, false, fmt.Sprintf("%s: %v", f.path, err)
	case d.Boot != boot:
		return core.Durable{}, false, fmt.Sprintf("%s: of another boot or network namespace: %.80q, this is %q", f.path, d.Boot, boot)
	}
	return d, true, ""
}

func readAtMost(path string, bytesMax int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, bytesMax+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > bytesMax:
		return nil, fmt.Errorf("%s: longer than %d bytes", path, bytesMax)
	}
	return text, nil
}

// The file is one JSON object: the sum of the content's bytes as they stand there, and the content. The
// sum is against damage, not against malice, and is made on the way to every grant: so it is a quick one.
type stateEnvelope struct {
	Sum     string          `json:"crc32c"`
	Content json.RawMessage `json:"content"`
}

type stateContent struct {
	Version int          `json:"version"`
	Durable core.Durable `json:"state"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(content []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(content, castagnoli)) }

func encodeState(d core.Durable) ([]byte, error) {
	content, err := json.Marshal(stateContent{Version: stateVersion, Durable: d})
	if err != nil {
		return nil, err
	}
	// Put together by hand: marshalling the envelope would look through the content once more.
	text := make([]byte, 0, len(content)+64)
	text = append(text, `{"crc32c":"`+sumOf(content)+`","content":`...)
	text = append(text, content...)
	return append(text, "}\n"...), nil
}

// decodeState takes exactly what encodeState makes; the error says what is wrong instead.
func decodeState(text []byte) (core.Durable, error) {
	var envelope stateEnvelope
	if err := strictly(text, &envelope); err != nil {
		return core.Durable{}, fmt.Errorf("damaged: %w", err)
	}
	if envelope.Sum != sumOf(envelope.Content) {
		return core.Durable{}, errors.New("damaged: checksum does not match")
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(envelope.Content, &version); err != nil {
		return core.Durable{}, fmt.Errorf("damaged: %w", err)
	}
	if version.Version != stateVersion {
		return core.Durable{}, fmt.Errorf("written by another version of the agent: state version %d, want %d", version.Version, stateVersion)
	}
	var content stateContent
	if err := strictly(envelope.Content, &content); err != nil {
		return core.Durable{}, fmt.Errorf("damaged: %w", err)
	}
	return content.Durable, nil
}

// strictly decodes one JSON value with no field that is unknown and nothing after it.
func strictly(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the state")
	}
	return nil
}
