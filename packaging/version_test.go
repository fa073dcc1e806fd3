package packaging

import "testing"

// The versions of a project's life, in the order of time.
var life = []struct{ describe, want string }{
	{"bd14f82", "0+213.gbd14f82"},
	{"bd14f82-dirty", "0+213.gbd14f82.dirty"},
	{"v1.0.0-rc1", "1.0.0~rc1"},
	{"v1.0.0-rc1-4-gbd14f82", "1.0.0~rc1+4.gbd14f82"},
	{"v1.0.0-rc2", "1.0.0~rc2"},
	{"v1.0.0", "1.0.0"},
	{"v1.0.0-dirty", "1.0.0+0.dirty"},
	{"v1.0.0-5-gbd14f82", "1.0.0+5.gbd14f82"},
	{"v1.0.0-5-gbd14f82-dirty", "1.0.0+5.gbd14f82.dirty"},
	{"v1.0.0-12-gad14f82", "1.0.0+12.gad14f82"},
	{"1.0.1", "1.0.1"},
	{"v2.0", "2.0"},
}

func TestVersion(t *testing.T) {
	for _, c := range life {
		if got, err := Version(c.describe, 213); got != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", c.describe, got, err, c.want)
		}
	}
	for _, wrong := range []string{"", "release", "v1.0 beta", "v1.0.0-rc1_2", "v1..0", "bd14f8", "v1.0.0\n"} {
		if got, err := Version(wrong, 1); err == nil {
			t.Errorf("%q: taken for %q", wrong, got)
		}
	}
}
