//go:build package

package packaging

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write anew which files the packages hold")

// built is one package of each kind, and the Debian one unpacked.
type built struct{ deb, rpm, root string }

// packages builds them once for all tests.
var packages = sync.OnceValues(func() (*built, error) {
	folder, err := os.MkdirTemp("", "memvip-built-")
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	source, err := ReadSource(context.Background(), root)
	if err != nil {
		return nil, err
	}
	made, err := source.Build(context.Background(), folder, Kinds, []string{"amd64"})
	if err != nil {
		return nil, err
	}
	b := &built{deb: made[0], rpm: made[1], root: filepath.Join(folder, "root")}
	_, err = command(context.Background(), folder, nil, "dpkg-deb", "--extract", b.deb, b.root)
	return b, err
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if b, err := packages(); err == nil {
		os.RemoveAll(filepath.Dir(b.deb))
	}
	os.Exit(code)
}

func thePackages(t *testing.T) *built {
	t.Helper()
	b, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run returns what a program prints, and fails the test if that fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// silent fails the test if a program fails or says anything.
func silent(t *testing.T, name string, args ...string) {
	t.Helper()
	if out := run(t, name, args...); out != "" {
		t.Errorf("%s %s:\n%s", name, strings.Join(args, " "), out)
	}
}

// many are the files that are too many to be listed: they have tests of their own.
var many = regexp.MustCompile(`/usr/share/doc/memvip/licenses/|/usr/share/man/man1/agentctl-`)

// golden compares what a package holds with what was looked at once.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	lines = slices.DeleteFunc(lines, many.MatchString)
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// sized is the size and time of a file in dpkg-deb's and rpm's lists, between its owner and its path.
var (
	debLine = regexp.MustCompile(`(?m)^(\S+) (\S+) +\d+ (\S+ \S+) \./(.*)$`)
	rpmLine = regexp.MustCompile(`(?m)^(\S+) +\d+ (\S+) +(\S+) +\d+ (.*?) (/.*)$`)
)

func TestDebContents(t *testing.T) {
	var lines []string
	for _, m := range debLine.FindAllStringSubmatch(run(t, "dpkg-deb", "--contents", thePackages(t).deb), -1) {
		lines = append(lines, m[1]+" "+m[2]+" /"+m[4])
	}
	golden(t, "contents.deb.txt", lines)
}

func TestRPMContents(t *testing.T) {
	var lines []string
	for _, m := range rpmLine.FindAllStringSubmatch(run(t, "rpm", "-qplv", thePackages(t).rpm), -1) {
		lines = append(lines, m[1]+" "+m[2]+"/"+m[3]+" "+m[5])
	}
	golden(t, "contents.rpm.txt", lines)
}

// An upgrade never overwrites what an administrator wrote, and asks on Debian systems.
func TestConfigurationIsTheAdministrators(t *testing.T) {
	b := thePackages(t)
	if got := run(t, "dpkg-deb", "--info", b.deb, "conffiles"); got != "/etc/memvip/agent.toml\n" {
		t.Errorf("conffiles: %q", got)
	}
	flags := run(t, "rpm", "-qp", "--queryformat", `[%{FILEFLAGS:fflags} %{FILENAMES}\n]`, b.rpm)
	if !strings.Contains(flags, "cn /etc/memvip/agent.toml\n") { // configuration, not to be replaced
		t.Errorf("the RPM's configuration is marked otherwise:\n%s", regexp.MustCompile(`(?m)^.*etc/memvip.*$`).FindAllString(flags, -1))
	}
}

func TestFields(t *testing.T) {
	b := thePackages(t)
	source, err := ReadSource(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"Package": "memvip", "Architecture": "amd64", "Version": source.Version + "-1", "Section": "net", "Priority": "optional",
		"Depends": "systemd, default-dbus-system-bus | dbus-system-bus", "Recommends": "memcached, polkitd",
	} {
		if got := strings.TrimSpace(run(t, "dpkg-deb", "--field", b.deb, field)); got != want {
			t.Errorf("deb: %s: %q, want %q", field, got, want)
		}
	}
	got := run(t, "rpm", "-qp", "--queryformat", "%{NAME} %{ARCH} %{VERSION}-%{RELEASE} %{LICENSE} %{BUILDHOST} %{BUILDTIME}", b.rpm)
	if want := fmt.Sprintf("memvip x86_64 %s-1 Apache-2.0 localhost %d", source.Version, source.Time.Unix()); got != want {
		t.Errorf("rpm: %q, want %q", got, want)
	}
	for list, want := range map[string]string{"--requires": "systemd\n", "--recommends": "polkit\n"} {
		if got := run(t, "rpm", "-qp", list, b.rpm); !strings.Contains(got, want) {
			t.Errorf("rpm %s: %q, want %q in it", list, got, want)
		}
	}
	for _, program := range []string{"usr/sbin/memvip-agent", "usr/bin/agentctl"} {
		if got, want := run(t, filepath.Join(b.root, program), "version"), filepath.Base(program)+" "+source.Version+"\n"; got != want {
			t.Errorf("%s says %q, want %q", program, got, want)
		}
	}
}

// dpkg orders the versions of a project's life as they come after each other.
func TestVersionsAreOrdered(t *testing.T) {
	for i := range life[1:] {
		run(t, "dpkg", "--compare-versions", life[i].want, "lt", life[i+1].want)
	}
}

// RPM does, too.
func TestVersionsAreOrderedForRPM(t *testing.T) {
	for i := range life[1:] {
		a, b := life[i].want, life[i+1].want
		if got := strings.TrimSpace(run(t, "rpm", "--eval", fmt.Sprintf(`%%{lua:print(rpm.vercmp("%s", "%s"))}`, a, b))); got != "-1" {
			t.Errorf("%s against %s: %s, want -1", a, b, got)
		}
	}
}

func TestLintian(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error,warning", thePackages(t).deb).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

func TestScriptsAreSound(t *testing.T) {
	scripts, err := filepath.Glob("[dr]*/p[or]*")
	if err != nil || len(scripts) != 6 {
		t.Fatalf("scripts: %q, %v; want 6", scripts, err)
	}
	for _, script := range append(scripts, "files/setup") {
		run(t, "sh", "-n", script)
		silent(t, "shellcheck", script)
	}
}

func TestManualPagesAreSound(t *testing.T) {
	b := thePackages(t)
	pages, err := filepath.Glob(filepath.Join(b.root, "usr/share/man/man*/*.gz"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v; want 20 at least", len(pages), err)
	}
	t.Setenv("LC_ALL", "C.UTF-8")
	for _, page := range pages {
		plain := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(page), ".gz"))
		if err := os.WriteFile(plain, []byte(run(t, "zcat", page)), 0o600); err != nil {
			t.Fatal(err)
		}
		silent(t, "mandoc", "-T", "lint", "-W", "warning", plain)
		if out := run(t, "sh", "-c", `man --warnings -E UTF-8 -l -Tutf8 -Z "$1" >/dev/null`, "sh", plain); out != "" {
			t.Errorf("%s: %s", page, out)
		}
	}
}

// helpWord matches what --help lists: a command, or an option.
var helpWord = regexp.MustCompile(`(?m)^  (?:    |-\w, )?(--)?([a-z-]+)\b`)

// The agent's page is written by hand. It has every command and option, and no other.
func TestAgentsPageIsComplete(t *testing.T) {
	b := thePackages(t)
	help := run(t, filepath.Join(b.root, "usr/sbin/memvip-agent"), "--help")
	page := strings.ReplaceAll(run(t, "zcat", filepath.Join(b.root, "usr/share/man/man8/memvip-agent.8.gz")), `\-`, "-")
	var listed []string
	for _, m := range helpWord.FindAllStringSubmatch(help, -1) {
		switch word := m[1] + m[2]; {
		case word == "memvip-agent" || word == "help":
		case m[1] == "":
			listed = append(listed, word)
			if !strings.Contains(page, "\n.B "+word+"\n") {
				t.Errorf("the command %s is not in the page", word)
			}
		default:
			listed = append(listed, word)
			if !strings.Contains(page, ".BI "+word+` "`) && !strings.Contains(page, `", " `+word) && !strings.Contains(page, "\n.B "+word+"\n") {
				t.Errorf("the option %s is not in the page", word)
			}
		}
	}
	if len(listed) < 7 {
		t.Fatalf("--help lists %q, want 7 at least:\n%s", listed, help)
	}
	for _, m := range regexp.MustCompile(`(?m)^\.(?:B|BI) (--[a-z-]+|[a-z]+)\b.*$`).FindAllStringSubmatch(section(page, "COMMANDS")+section(page, "OPTIONS"), -1) {
		if !slices.Contains(listed, m[1]) {
			t.Errorf("the page has %s, which --help does not know", m[1])
		}
	}
}

// section returns one of a page's.
func section(page, name string) string {
	_, rest, _ := strings.Cut(page, "\n.SH "+name+"\n")
	text, _, _ := strings.Cut(rest, "\n.SH ")
	return strings.NewReplacer("memvip-agent", "", ".BR agentctl", "").Replace(text) + "\n"
}

// Every command of agentctl has a page, and the first page names them all.
func TestEveryCommandHasAPage(t *testing.T) {
	b := thePackages(t)
	help := run(t, filepath.Join(b.root, "usr/bin/agentctl"), "--help")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) {2,}`).FindAllStringSubmatch(help, -1)
	if len(commands) < 10 {
		t.Fatalf("agentctl --help lists %d commands:\n%s", len(commands), help)
	}
	first := run(t, "zcat", filepath.Join(b.root, "usr/share/man/man1/agentctl.1.gz"))
	for _, c := range commands {
		if c[1] == "help" {
			continue
		}
		page := run(t, "zcat", filepath.Join(b.root, "usr/share/man/man1/agentctl-"+c[1]+".1.gz"))
		if !strings.Contains(page, ".SH OPTIONS") || !strings.Contains(first, `\fB`+c[1]) {
			t.Errorf("agentctl %s: its page or its place in the first is not there", c[1])
		}
	}
}

// The shells take the completions, and bash completes by them.
func TestCompletions(t *testing.T) {
	b := thePackages(t)
	bash := filepath.Join(b.root, "usr/share/bash-completion/completions/agentctl")
	silent(t, "bash", "-n", bash)
	silent(t, "zsh", "-n", filepath.Join(b.root, "usr/share/zsh/vendor-completions/_agentctl"))
	silent(t, "fish", "-n", filepath.Join(b.root, "usr/share/fish/vendor_completions.d/agentctl.fish"))
	t.Setenv("PATH", filepath.Join(b.root, "usr/bin")+":"+os.Getenv("PATH"))
	got := run(t, "bash", "-c", `. "$1"; complete -p agentctl`, "bash", bash)
	if !strings.Contains(got, "-F __start_agentctl agentctl") {
		t.Errorf("bash completes agentctl by %q", got)
	}
}

// systemd finds nothing amiss with the units, beside Debian's own.
func TestUnits(t *testing.T) {
	b := thePackages(t)
	root := t.TempDir()
	run(t, "cp", "-a", b.root+"/.", root)
	for _, folder := range []string{"usr/lib/systemd/system", "lib/systemd/system"} {
		if _, err := os.Stat("/" + folder); err == nil {
			run(t, "cp", "-a", "--no-clobber", "/"+folder+"/.", filepath.Join(root, "usr/lib/systemd/system"))
		}
	}
	run(t, "cp", "/bin/true", filepath.Join(root, "usr/bin/memcached"))
	for _, unit := range []string{"memvip-agent.service", "memcached-vip@10.0.0.101.service"} {
		silent(t, "systemd-analyze", "--root="+root, "--man=no", "--recursive-errors=no", "verify", unit)
	}
	exposed := run(t, "systemd-analyze", "--root="+root, "--offline=true", "--threshold=20", "security", "memcached-vip@.service")
	t.Log(strings.TrimSpace(exposed[strings.LastIndex(exposed, "→"):]))
}

// The same source in another folder, with another environment, gives the same bytes.
func TestReproducible(t *testing.T) {
	b := thePackages(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	source, err := ReadSource(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	source.Root = filepath.Join(t.TempDir(), "elsewhere")
	run(t, "bash", "-euo", "pipefail", "-c", `umask 077; mkdir "$2"; cd "$1"
		git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --no-same-permissions --directory="$2"`,
		"bash", root, source.Root)
	for name, value := range map[string]string{
		"TMPDIR": t.TempDir(), "TZ": "Pacific/Chatham", "LANG": "de_DE.UTF-8", "GOFLAGS": "-trimpath=false -buildvcs=true", "GOAMD64": "v3", "USER": "somebody",
	} {
		t.Setenv(name, value)
	}
	again, err := source.Build(t.Context(), t.TempDir(), Kinds, []string{"amd64"})
	if err != nil {
		t.Fatal(err)
	}
	for i, first := range []string{b.deb, b.rpm} {
		one, errOne := os.ReadFile(first)
		other, errOther := os.ReadFile(again[i])
		if errOne != nil || errOther != nil {
			t.Fatal(errOne, errOther)
		}
		if !bytes.Equal(one, other) {
			t.Errorf("%s: two builds differ", filepath.Base(first))
		}
	}
}
