package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// Load reads a configuration file and the key file that it names. The error joins everything found, each
// part an *Error, in the order of the file.
func Load(path string) (*Config, error) {
	c, p, err := load(path)
	if err == nil {
		err = p.err()
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// LoadUnkeyed is Load for those who may read the configuration, and perhaps not its key. Where they may not, denied says
// so, and is part of no error: Cluster.Keys stays nil.
func LoadUnkeyed(path string) (c *Config, denied *Error, err error) {
	c, p, err := load(path)
	if err != nil {
		return nil, nil, err
	}
	if i := slices.IndexFunc(p.found, (*Error).deniesKey); i >= 0 {
		denied = p.found[i]
		p.found = slices.Delete(p.found, i, i+1)
	}
	if err := p.err(); err != nil {
		return nil, denied, err
	}
	return c, denied, nil
}

// load returns what a file and its key file say, with their problems; or why the file cannot be read.
func load(path string) (*Config, *problems, error) {
	text, err := readText(path)
	if err != nil {
		return nil, nil, err
	}
	c, p, root := read(path, text)
	if c != nil && c.Cluster.KeyFile != "" {
		line := root.key("cluster").key("key_file").line
		c.Cluster.KeyFile = resolve(path, c.Cluster.KeyFile)
		c.Cluster.Keys = loadKeys(p, line, c.Cluster.KeyFile)
	}
	return c, p, nil
}

// Parse reads the text of a configuration file; file is its name in messages. It is Load without the keys:
// Cluster.Keys stays nil and Cluster.KeyFile as written.
func Parse(file, text string) (*Config, error) {
	c, p, _ := read(file, text)
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// read returns what the text says, together with its problems. The Config is nil if the text is no TOML, and
// good for nothing but further checks if there are problems.
func read(file, text string) (*Config, *problems, *place) {
	p := &problems{file: file}
	at, tooDeep := findPlaces(text)
	if tooDeep > 0 {
		p.add(&Error{Line: tooDeep, Found: fmt.Sprintf("more than %d levels of nesting", nestingMax), Expected: "tables and keys as in the example agent.toml"})
		return nil, p, nil
	}
	values, e := decode(text)
	if e != nil {
		p.add(e)
		return nil, p, nil
	}
	root := &table{problems: p, values: values, at: at}
	c := &Config{Path: file}
	c.Cluster = readCluster(root)
	c.Memcached = readMemcached(root.section("memcached"))
	c.Health = readHealth(root.section("health"))
	c.Agent = readAgent(root.section("agent"), c.Cluster.Fence)
	c.Hooks = readHooks(root.section("hooks"))
	metrics := root.section("metrics")
	c.VIPs = readVIPs(root, c.Cluster, c.Memcached)
	c.Metrics = readMetrics(metrics, c.Cluster, c.Memcached, c.VIPs)
	root.done()
	c.votersLine = root.at.key("cluster").key("voters").line
	c.warnings = p.warnings
	return c, p, at
}

// decode does what TOML itself demands.
func decode(text string) (map[string]any, *Error) {
	values := make(map[string]any)
	if _, err := toml.Decode(text, &values); err != nil {
		return nil, syntaxError(text, err)
	}
	if len(values) == 0 {
		found := "an empty file"
		if strings.TrimSpace(text) != "" {
			found = "nothing is set yet: every line is a comment" // as it is installed
		}
		return nil, &Error{Line: 1, Found: found, Expected: "[cluster], [memcached] and [[vip]]", cause: ErrUnset}
	}
	return values, nil
}

// syntaxError names the line that the decoder stopped at. At the end of the text the decoder may be one line
// past the last.
func syntaxError(text string, err error) *Error {
	line, message := 1, err.Error()
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		last := 1 + strings.Count(strings.TrimRight(text, "\r\n"), "\n")
		line, message = max(1, min(parse.Position.Line, last)), strings.TrimSuffix(parse.Message, ".")
	}
	message = strings.Map(printable, message)
	return &Error{Line: line, Found: "not TOML: " + message, Expected: "valid TOML"}
}

// printable keeps what the decoder cites from the text from acting on a terminal.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// readText returns the text of the configuration file.
func readText(path string) (string, error) {
	const expected = "the configuration of the cluster, the same file on every host"
	text, err := readSmall(path, fileBytesMax)
	if err != nil {
		return "", &Error{File: path, Found: unread(err), Expected: expected, cause: err}
	}
	if len(text) > fileBytesMax {
		return "", &Error{File: path, Found: "more than 256 KiB", Expected: expected}
	}
	return string(text), nil
}

// readSmall reads a file up to one byte more than the bound.
func readSmall(path string, bytesMax int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, bytesMax+1))
}

// unread says why a file could not be read, without the path, which the message has already.
func unread(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return "cannot be read: " + err.Error()
}

// resolve returns a path that the configuration file names; a relative one starts at the file's own folder.
func resolve(file, named string) string {
	if filepath.IsAbs(named) {
		return named
	}
	return filepath.Join(filepath.Dir(file), named)
}
