package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// keyModeRefused are the permissions that a key file must not give: any to others, writing to the group.
const keyModeRefused fs.FileMode = 0o027

// keyFileKey is the key that names the key file.
const keyFileKey = "cluster.key_file"

// deniesKey reports whether the mistake is that the reader may not have the keys: others may.
func (e *Error) deniesKey() bool { return e.Key == keyFileKey && errors.Is(e, fs.ErrPermission) }

// loadKeys returns the keys in a key file, or reports at the given line of the configuration why there are none.
func loadKeys(p *problems, line int, path string) []Key {
	f, e := readKeyFileOf(path)
	if e != nil {
		e.Line, e.Key = line, keyFileKey
		p.add(e)
		return nil
	}
	return f.Keys()
}

// ReadKeyFile returns what is in a key file, as Load does for the file that a configuration names. The error, an *Error
// without file and line, says what is wrong with the file: missing, open to the wrong people, or no key.
func ReadKeyFile(path string) (KeyFile, error) {
	f, e := readKeyFileOf(path)
	if e != nil {
		return KeyFile{}, e
	}
	return f, nil
}

func readKeyFileOf(path string) (KeyFile, *Error) {
	// Without O_NONBLOCK the opening of a named pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return KeyFile{}, &Error{Found: path + ": " + unread(err), Expected: keyExpected, cause: err}
	}
	defer f.Close()
	if e := checkKeyFile(path, f); e != nil {
		return KeyFile{}, e
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileBytesMax+1))
	switch {
	case err != nil:
		return KeyFile{}, &Error{Found: path + ": " + unread(err), Expected: keyExpected, cause: err}
	case len(text) > keyFileBytesMax:
		return KeyFile{}, &Error{Found: path + " has more than 4 KiB", Expected: keyExpected}
	}
	return parseKeyFile(path, string(text))
}

// checkKeyFile refuses what is no plain file, and one that the wrong people can read or change.
func checkKeyFile(path string, f *os.File) *Error {
	info, err := f.Stat()
	if err != nil {
		return &Error{Found: path + ": " + unread(err), Expected: "a file", cause: err}
	}
	if !info.Mode().IsRegular() {
		return &Error{Found: path + " is no regular file", Expected: "a file with the gossip key"}
	}
	mode := info.Mode().Perm()
	if mode&keyModeRefused == 0 {
		return nil
	}
	fault := "can be read or changed by everybody"
	if mode&0o007 == 0 {
		fault = "can be changed by its group"
	}
	return &Error{
		Found:    fmt.Sprintf("%s has mode %04o and %s", path, mode, fault),
		Expected: "at most 0640: chmod g-w,o= " + shellWord(path),
	}
}

// WriteKeyFile puts another text into a key file at once: whoever reads it, and whatever happens meanwhile, finds the
// old or the new one whole. Mode and owner stay what they are, or it fails; then the old file is untouched.
func WriteKeyFile(path string, f KeyFile) error {
	target, err := filepath.EvalSymlinks(path) // what a link leads to is replaced, not the link
	if err == nil {
		var old os.FileInfo
		if old, err = os.Stat(target); err == nil {
			err = replace(target, f.Text(), old)
		}
	}
	if err != nil {
		return fmt.Errorf("configs: write %s: %w", path, err)
	}
	return nil
}

// WriteNewKeyFile makes a key file that only its owner may read, in place of whatever has its name.
func WriteNewKeyFile(path string, f KeyFile) error {
	if err := replace(path, f.Text(), nil); err != nil {
		return fmt.Errorf("configs: write %s: %w", path, err)
	}
	return nil
}

// replace writes beside a file and then takes its name. like is whose mode and owner the new one gets; nil: 0600.
func replace(path, text string, like os.FileInfo) error {
	dir := filepath.Dir(path)
	beside := filepath.Join(dir, "."+filepath.Base(path)+".new")
	if err := unmade(os.Remove(beside)); err != nil { // left by a process that was killed
		return err
	}
	if err := writeBeside(beside, text, like); err != nil {
		return errors.Join(err, unmade(os.Remove(beside)))
	}
	if err := os.Rename(beside, path); err != nil {
		return errors.Join(err, os.Remove(beside))
	}
	return syncDir(dir)
}

// unmade is the error of removing what need not be there.
func unmade(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func writeBeside(path, text string, like os.FileInfo) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = resemble(f, like)
	if err == nil {
		_, err = f.WriteString(text)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// groupBits are the group's rights.
const groupBits fs.FileMode = 0o070

// resemble gives a file the owner and then the mode of another. Who may not give it the group may go on without where the
// mode gives the group nothing: a key that root copied here for the agent's user belongs to the group of root.
func resemble(f *os.File, like os.FileInfo) error {
	if like == nil {
		return nil
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok := mine.Sys().(*syscall.Stat_t)
	wanted, too := like.Sys().(*syscall.Stat_t)
	if ok && too && (is.Uid != wanted.Uid || is.Gid != wanted.Gid) {
		err := f.Chown(int(wanted.Uid), int(wanted.Gid))
		if err != nil && (is.Uid != wanted.Uid || like.Mode()&groupBits != 0) {
			return err
		}
	}
	return f.Chmod(like.Mode().Perm())
}

// syncDir makes a rename outlast a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
