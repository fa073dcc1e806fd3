package keep

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

type figures struct {
	A int
	B []float64
}

func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "figures.json")
	got := figures{A: 1}
	if err := Load(path, &got); err != nil || got.A != 1 {
		t.Fatalf("what is not there: %+v, %v", got, err)
	}
	if err := Report(path, &got); err == nil {
		t.Error("what is not there is reported, in the place of what a page says")
	}
	for _, want := range []figures{{2, []float64{0.5}}, {3, []float64{0.25, 7}}} {
		if err := Save(path, want); err != nil {
			t.Fatal(err)
		}
		got = figures{}
		if err := Load(path, &got); err != nil || got.A != want.A || len(got.B) != len(want.B) || got.B[0] != want.B[0] {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if err := Report(path, &got); err != nil || got.A != want.A {
			t.Errorf("reported: %+v, %v; want %+v", got, err, want)
		}
	}
	if err := Save(path, figures{B: []float64{math.NaN()}}); err == nil {
		t.Error("what cannot be written is kept")
	}
	if err := Load(path, &got); err != nil || got.A != 3 {
		t.Errorf("after an error: %+v, %v; want what was there", got, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Load(path, &got); err == nil {
		t.Error("a damaged file is taken")
	}
	if err := Save(filepath.Join(path, "below"), got); err == nil {
		t.Error("a file is kept below a file")
	}
}
