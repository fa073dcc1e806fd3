package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"

	"memvip/configs"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is installed as the configuration is refused in words that say why, and is a good one once its lines count.
func TestInstalledConfiguration(t *testing.T) {
	text := readFile(t, "packaging/files/agent.toml")
	if _, err := configs.Parse("agent.toml", text); err == nil || !strings.Contains(err.Error(), "nothing is set yet") {
		t.Errorf("as installed: %v; want that nothing is set yet", err)
	}
	c, err := configs.Parse("agent.toml", regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(text, "$1"))
	if err != nil {
		t.Fatalf("with its lines: %v", err)
	}
	if len(c.VIPs) != 2 || c.Cluster.KeyFile != "/etc/memvip/keys/gossip.key" || len(c.Warnings()) > 0 {
		t.Errorf("with its lines: %d VIPs, key %s, warnings %q", len(c.VIPs), c.Cluster.KeyFile, c.Warnings())
	}
}

// The unit for one memcached per address is the one that the examples restart, finds its port where the examples do, and reads
// the file that the package shows.
func TestInstancePerVIP(t *testing.T) {
	env := readFile(t, "packaging/files/instance.env")
	c, err := configs.Parse("instance-per-vip.toml", readFile(t, "configs/instance-per-vip.toml"))
	if err != nil {
		t.Fatal(err)
	}
	v := c.VIPs[0]
	if want := "memcached-vip@" + v.Prefix.Addr().String() + ".service"; !slices.Contains(v.RestartCommand, want) {
		t.Errorf("the example restarts %s, not %s", v.RestartCommand, want)
	}
	if want := "/etc/memvip/instances/" + v.Prefix.Addr().String() + ".env"; !strings.Contains(env, want) {
		t.Errorf("the example of the instance's settings is for none of the addresses: want %s", want)
	}
	if _, port, _ := strings.Cut(v.Instance.String(), ":"); !strings.Contains(env, "\nPORT="+port+"\n") {
		t.Errorf("the example of the instance's settings has another port than %s", v.Instance)
	}
	settings := options(t, "systemd/memcached-vip@.service")
	if got := settings["EnvironmentFile"]; len(got) != 1 || got[0] != "/etc/memvip/instances/%i.env" {
		t.Errorf("the unit reads %q", got)
	}
	names := strings.Join(settings["Environment"], " ")
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`).FindAllStringSubmatch(env, -1) {
		if !strings.Contains(" "+names+" ", " "+m[1]+"="+m[2]+" ") {
			t.Errorf("the unit's default is not %s=%s: %s", m[1], m[2], names)
		}
	}
}

// options are what a unit sets, by name.
func options(t *testing.T, name string) map[string][]string {
	t.Helper()
	list, err := unit.DeserializeOptions(strings.NewReader(readFile(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{}
	for _, o := range list {
		values[o.Name] = append(values[o.Name], o.Value)
	}
	return values
}

// The agent's user has one name, and may restart what the examples restart.
func TestUser(t *testing.T) {
	rule := readFile(t, "packaging/files/polkit.rules")
	for name, want := range map[string]string{
		"packaging/files/sysusers.conf": `(?m)^u memvip `,
		"packaging/files/tmpfiles.conf": `(?m)^d /etc/memvip 2750 root memvip `,
		"packaging/files/polkit.rules":  `subject\.user !== "memvip"`,
		"packaging/deb/postrm":          `userdel memvip\b`,
	} {
		if !regexp.MustCompile(want).MatchString(readFile(t, name)) {
			t.Errorf("%s: nothing matches %s", name, want)
		}
	}
	pattern := regexp.MustCompile(`/(\^memcached-vip@.*?\$)/`).FindStringSubmatch(rule)
	if pattern == nil || !strings.Contains(rule, `unit === "memcached.service"`) {
		t.Fatalf("the rule names no units:\n%s", rule)
	}
	allowed := regexp.MustCompile(pattern[1])
	for name, want := range map[string]bool{
		"memcached-vip@10.0.0.101.service": true, "memcached-vip@2001:db8::101.service": true,
		"memcached-vip@.service": false, "sshd.service": false, "memcached-vip@10.0.0.101.service.mount": false,
		"x-memcached-vip@10.0.0.101.service": false, "memcached-vip@../../x.service": false,
	} {
		if allowed.MatchString(name) != want {
			t.Errorf("%s: restarted: %v, want %v", name, !want, want)
		}
	}
}

// Each script has a package's parts done when its time is, and never at another.
func TestScripts(t *testing.T) {
	for _, c := range []struct{ script, args, want string }{
		{"deb/postinst", "configure|", "installed"},
		{"deb/postinst", "configure|1.0-1", "upgraded"},
		{"deb/postinst", "abort-upgrade|1.0-1", ""},
		{"deb/postinst", "abort-remove", ""},
		{"deb/prerm", "remove", "leaving"},
		{"deb/prerm", "upgrade|1.0-1", ""},
		{"deb/prerm", "deconfigure|in-favour|x", ""},
		{"rpm/post", "1", "installed"},
		{"rpm/post", "2", "upgraded"},
		{"rpm/preun", "0", "leaving"},
		{"rpm/preun", "1", ""},
	} {
		t.Run(c.script+" "+c.args, func(t *testing.T) {
			script := strings.ReplaceAll(readFile(t, "packaging/"+c.script), "/usr/lib/memvip/setup", "echo")
			out, err := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, c.script}, strings.Split(c.args, "|")...)...).CombinedOutput()
			if got := strings.TrimSpace(string(out)); got != c.want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, script := range []string{"deb/postinst", "deb/prerm", "deb/postrm", "files/setup"} {
		cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(".", script), "nonsense")
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "argument") && !strings.Contains(string(out), "usage") {
			t.Errorf("%s nonsense: %v: %s", script, err, out)
		}
	}
}
