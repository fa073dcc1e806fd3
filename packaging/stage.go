package packaging

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maintainer stands in the packages.
const maintainer = "memvip maintainers <memvip@users.noreply.github.com>"

// stage is a folder with what no file of the repository holds as it is installed. nfpm.yaml calls it MADE.
type stage struct {
	source Source
	folder string
}

// fill makes everything for an architecture.
func (s stage) fill(ctx context.Context, arch string) error {
	for _, step := range []func(context.Context, string) error{s.programs, s.ownWords, s.manuals, s.changelog, s.licences} {
		if err := step(ctx, arch); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
	}
	return nil
}

// programs builds both for an architecture.
func (s stage) programs(ctx context.Context, arch string) error { return s.build(ctx, arch, s.folder) }

func (s stage) build(ctx context.Context, arch, folder string) error {
	_, err := command(ctx, s.source.Root, s.source.environment("GOARCH="+arch), "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X memvip/agent.stamped="+s.source.Version, "-o", folder+string(filepath.Separator), "./cmd/...")
	return err
}

// ownWords has agentctl write its manual pages and completions. It has to be one that runs here.
func (s stage) ownWords(ctx context.Context, arch string) error {
	folder := s.folder
	if arch != runtime.GOARCH {
		var err error
		if folder, err = os.MkdirTemp("", "memvip-packaging-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer os.RemoveAll(folder)
		if err := s.build(ctx, runtime.GOARCH, folder); err != nil {
			return err
		}
	}
	agentctl := filepath.Join(folder, "agentctl")
	pages := filepath.Join(s.folder, "pages")
	if err := os.MkdirAll(pages, 0o755); err != nil {
		return err
	}
	if _, err := command(ctx, s.folder, s.source.environment(), agentctl, "man", pages); err != nil {
		return err
	}
	for _, shell := range [...]string{"bash", "zsh", "fish"} {
		script, err := command(ctx, s.folder, s.source.environment(), agentctl, "completion", shell)
		if err != nil {
			return err
		}
		if err := s.write("agentctl."+shell, script); err != nil {
			return err
		}
	}
	return s.compress(pages, "man1")
}

// compress puts every page of a folder into another, as manual pages are installed, and removes the first.
func (s stage) compress(from, to string) error {
	pages, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, page := range pages {
		body, err := os.ReadFile(filepath.Join(from, page.Name()))
		if err != nil {
			return err
		}
		if err := s.write(filepath.Join(to, page.Name()+".gz"), compressed(body)); err != nil {
			return err
		}
	}
	return os.RemoveAll(from)
}

// manuals makes the pages of the agent and of its configuration.
func (s stage) manuals(context.Context, string) error {
	agent, err := s.read("packaging/man/memvip-agent.8")
	if err != nil {
		return err
	}
	keys, err := s.read("configs/agent.toml")
	if err != nil {
		return err
	}
	example, err := s.read("configs/three-hosts.toml")
	if err != nil {
		return err
	}
	reference, err := readReference(strings.Split(strings.TrimSpace(keys), "\n"))
	if err != nil {
		return fmt.Errorf("configs/agent.toml: %w", err)
	}
	agent = strings.NewReplacer("@DATE@", s.source.Time.Format("2006-01-02"), "@VERSION@", s.source.Version).Replace(agent)
	if err := s.write("man8/memvip-agent.8.gz", compressed([]byte(agent))); err != nil {
		return err
	}
	return s.write("man5/memvip-agent.toml.5.gz", compressed([]byte(reference.page(s.source, example))))
}

// changelog makes Debian's, which tells of this build only, and the project's.
func (s stage) changelog(context.Context, string) error {
	changes, err := s.read("CHANGELOG.md")
	if err != nil {
		return err
	}
	entry := fmt.Sprintf("memvip (%s-1) stable; urgency=medium\n\n  * What changed is told in changelog.gz.\n\n -- %s  %s\n",
		s.source.Version, maintainer, s.source.Time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if err := s.write("changelog.Debian.gz", compressed([]byte(entry))); err != nil {
		return err
	}
	return s.write("changelog.gz", compressed([]byte(changes)))
}

// licences writes the texts and the list of what they are for.
func (s stage) licences(ctx context.Context, arch string) error {
	modules, err := s.source.licences(ctx, arch)
	if err != nil {
		return err
	}
	for _, m := range modules {
		for _, t := range m.Texts {
			if err := s.write(filepath.Join("licenses", m.Path, t.Name), t.Body); err != nil {
				return err
			}
		}
	}
	own, err := s.read("LICENSE")
	if err != nil {
		return err
	}
	if err := s.write("licenses/memvip/LICENSE", []byte(own)); err != nil {
		return err
	}
	return s.write("copyright", []byte(copyright(modules)))
}

// read returns a file of the repository.
func (s stage) read(name string) (string, error) {
	body, err := os.ReadFile(filepath.Join(s.source.Root, name))
	return string(body), err
}

// write puts a file into the stage, with the rights that it is installed with, whatever the umask.
func (s stage) write(name string, body []byte) error {
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}

// compressed is what gzip -9n makes of a text: no name and no time in it.
func compressed(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that there is
	_, _ = w.Write(body)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
