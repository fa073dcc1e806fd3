package prometheus

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../grafana/memvip.json"

// dashboard is what Grafana needs of its model to load one, and what is held to the metrics.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	ID            *int   `json:"id"`
	Time          struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name       string     `json:"name"`
			Datasource datasource `json:"datasource"`
			Expr       string     `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
	Panels []panel `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		Datasource datasource `json:"datasource"`
		Expr       string     `json:"expr"`
		RefID      string     `json:"refId"`
	} `json:"targets"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	var d dashboard
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

// The dashboard has what Grafana needs to load it: an identity of its own, variables, panels that have questions and do
// not lie upon each other.
func TestDashboardLoads(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.SchemaVersion < 30 || d.ID != nil || d.Time.From == "" || d.Time.To == "" {
		t.Errorf("incomplete: %+v", d)
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	for _, want := range []string{"datasource", "cluster", "node", "vip"} {
		if !slices.Contains(names, want) {
			t.Errorf("no variable %s among %v", want, names)
		}
	}
	here, prometheus := map[int]string{}, datasource{"prometheus", "${datasource}"}
	for i, p := range d.Panels {
		if other := here[p.ID]; p.ID < 1 || other != "" {
			t.Errorf("%s has the id %d, as has %q", p.Title, p.ID, other)
		}
		here[p.ID] = p.Title
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.X+g.W > 24 || g.H < 1 {
			t.Errorf("%s lies outside: %+v", p.Title, g)
		}
		for _, q := range d.Panels[:i] {
			if overlap(p, q) {
				t.Errorf("%s lies upon %s", p.Title, q.Title)
			}
		}
		if p.Title == "" || p.Type == "" {
			t.Errorf("panel %d has no title or type", p.ID)
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || p.Datasource != prometheus {
			t.Errorf("%s lacks a description, a question or the data source", p.Title)
		}
		var refs []string
		for _, target := range p.Targets {
			if target.Datasource != prometheus || target.RefID == "" || slices.Contains(refs, target.RefID) {
				t.Errorf("%s: question %q", p.Title, target.RefID)
			}
			refs = append(refs, target.RefID)
		}
	}
	if len(d.Panels) < 20 {
		t.Errorf("%d panels: read in a wrong way", len(d.Panels))
	}
}

func overlap(p, q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// filled puts something in for Grafana's variables.
var filled = strings.NewReplacer("$__rate_interval", "5m", "$cluster", "cache-prod", "$node", "cache1", "$vip", "10.0.0.101")

// Every question of the dashboard is PromQL, and about metrics that agents tell.
func TestDashboardAsksWhatIsTold(t *testing.T) {
	d := readDashboard(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	asks := func(where, expr string) {
		mentions(t, where, expr)
		expr = filled.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s: a variable that nobody defines: %s", where, expr)
		}
		fmt.Fprintf(&rules, "  - {record: 'x:y', labels: {n: '%d'}, expr: '%s'}\n", strings.Count(rules.String(), "record"), strings.ReplaceAll(expr, "'", "''"))
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			asks(p.Title, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		asks(a.Name, a.Expr)
	}
	for _, v := range d.Templating.List {
		mentions(t, v.Name, v.Definition)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, ".", "check", "rules", file)
}
