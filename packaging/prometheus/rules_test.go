package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec" // promtool is what tells whether rules are right
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"memvip/agent/metrics"
)

const rulesFile = "memvip.rules.yml"

var testFiles = []string{"memvip.rules_test.yml", "memvip.rules_long_test.yml"}

// promtoolPatience bounds one run, on a machine that is busy with other things.
const promtoolPatience = 5 * time.Minute

// rule is one alert.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// ruleTest is one case of promtool's.
type ruleTest struct {
	Name   string `yaml:"name"`
	Series []struct {
		Series string `yaml:"series"`
	} `yaml:"input_series"`
	Alerts []struct {
		Alert    string           `yaml:"alertname"`
		Expected []map[string]any `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	decode(t, rulesFile, &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func ruleTests(t *testing.T) []ruleTest {
	t.Helper()
	var all []ruleTest
	for _, name := range testFiles {
		var file struct {
			Tests []ruleTest `yaml:"tests"`
		}
		decode(t, name, &file)
		all = append(all, file.Tests...)
	}
	return all
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// promtool runs it in a folder.
func promtool(t *testing.T, folder string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), promtoolPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "promtool", args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v (Debian has it in the package prometheus)\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAreRules(t *testing.T) { promtool(t, ".", "check", "rules", rulesFile) }

func TestRulesFireForTheirCase(t *testing.T) {
	promtool(t, ".", append([]string{"test", "rules"}, testFiles...)...)
}

// What is to be typed, of the commands that agentctl has.
var command = regexp.MustCompile(`agentctl (status|explain|history|doctor|drain|undrain|handback|pause|resume|move|flush|drill|check|reload)\b`)

// Every alert says how bad it is, what is wrong, and what to type; and has a case in which it fires, and one in which it
// does not.
func TestEveryAlertIsTested(t *testing.T) {
	type cases struct{ fires, silent bool }
	tested := map[string]*cases{}
	all := rules(t)
	for _, r := range all {
		if tested[r.Alert] != nil {
			t.Errorf("%s is there twice", r.Alert)
		}
		tested[r.Alert] = &cases{}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		if s := r.Annotations["summary"]; s == "" || strings.HasSuffix(s, ".") {
			t.Errorf("%s: summary %q", r.Alert, s)
		}
		if d := r.Annotations["description"]; !command.MatchString(d) {
			t.Errorf("%s does not say what to type: %q", r.Alert, d)
		}
	}
	for _, test := range ruleTests(t) {
		fires := false
		for _, a := range test.Alerts {
			c := tested[a.Alert]
			if c == nil {
				t.Fatalf("%s: there is no alert %s", test.Name, a.Alert)
			}
			fires = fires || len(a.Expected) > 0
			if !strings.HasPrefix(test.Name, a.Alert+" ") {
				t.Errorf("%s is about %s", test.Name, a.Alert)
			}
		}
		for _, a := range test.Alerts {
			tested[a.Alert].fires = tested[a.Alert].fires || fires
			tested[a.Alert].silent = tested[a.Alert].silent || !fires
		}
	}
	for name, c := range tested {
		if !c.fires || !c.silent {
			t.Errorf("%s has a case in which it fires: %t, and one in which it does not: %t", name, c.fires, c.silent)
		}
	}
	if len(all) < 30 {
		t.Errorf("%d alerts: read in a wrong way", len(all))
	}
}

var (
	metricName = regexp.MustCompile(`\bmemvip_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b(memvip_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+) *(?:=~|!~|!=|=)`)
)

// labelsOf are the labels of every series that an agent tells.
func labelsOf() map[string][]string {
	known := map[string][]string{}
	for _, f := range metrics.Families() {
		for _, s := range f.Series() {
			known[s] = append([]string{"cluster", "node"}, f.Labels...)
			if strings.HasSuffix(s, "_bucket") {
				known[s] = append(known[s], "le")
			}
		}
	}
	return known
}

// mentions holds an expression to the metrics that there are.
func mentions(t *testing.T, where, expr string) {
	t.Helper()
	known := labelsOf()
	for _, name := range metricName.FindAllString(expr, -1) {
		if known[name] == nil {
			t.Errorf("%s: no agent tells %s", where, name)
		}
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(known[s[1]], m[1]) {
				t.Errorf("%s: %s has no label %s", where, s[1], m[1])
			}
		}
	}
}

// Rules and their tests are about metrics that agents tell.
func TestRulesAreAboutWhatIsTold(t *testing.T) {
	for _, r := range rules(t) {
		mentions(t, r.Alert, r.Expr)
	}
	for _, test := range ruleTests(t) {
		for _, s := range test.Series {
			mentions(t, test.Name, s.Series)
		}
	}
}

// What three nodes tell makes no alert fire while all is well, and where memcached died the one for that.
func TestRulesOverWhatIsTold(t *testing.T) {
	for situation, fires := range map[string][]string{"healthy": nil, "memcached_gone": {"MemvipMemcachedDown"}} {
		t.Run(situation, func(t *testing.T) {
			files, err := filepath.Glob("../../agent/metrics/testdata/" + situation + ".*.txt")
			if err != nil || len(files) != 3 {
				t.Fatalf("what nodes tell: %v, %v", files, err)
			}
			var text bytes.Buffer
			fmt.Fprintf(&text, "rule_files: [%s]\nevaluation_interval: 15s\ntests:\n- interval: 15s\n  input_series:\n", rulesFile)
			for _, name := range files {
				told, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(told)) {
					series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
					if !ok || strings.HasPrefix(line, "#") {
						continue
					}
					fmt.Fprintf(&text, "  - {series: '%s}', values: '%sx80'}\n", series, value)
				}
			}
			fmt.Fprintf(&text, "  promql_expr_test:\n  - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})\n    eval_time: 19m\n    exp_samples:\n")
			for _, name := range fires {
				fmt.Fprintf(&text, "    - {labels: '{alertname=\"%s\"}', value: 1}\n", name)
			}
			folder := t.TempDir()
			text0, err := os.ReadFile(rulesFile)
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, rulesFile), text0, 0o644)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, "told.yml"), text.Bytes(), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			promtool(t, folder, "test", "rules", "told.yml")
		})
	}
}
