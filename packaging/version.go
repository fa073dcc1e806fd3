package packaging

import (
	"fmt"
	"regexp"
	"strings"
)

// described is what `git describe --tags --always --dirty` says: a tag, perhaps with the number of commits since and the
// newest of them; without any tag that commit alone.
var described = regexp.MustCompile(`^(?:v?(\d+(?:\.\d+)*)(?:-?((?:alpha|beta|rc)[.\d]*))?(?:-(\d+)-g([0-9a-f]+))?|([0-9a-f]{7,40}))(-dirty)?$`)

// Version turns what git says of a commit into a version that both kinds of packages allow and order as time does: 1.2.0~rc1,
// 1.2.0, 1.2.0+5.g0123abc, 1.3.0. Before the first tag it is 0+ and the number of commits.
func Version(describe string, commits int) (string, error) {
	m := described.FindStringSubmatch(describe)
	if m == nil {
		return "", fmt.Errorf("version %q: expected a tag such as v1.2.0 or v1.2.0-rc1, or a commit", describe)
	}
	release, candidate, since, newest, commit, dirty := m[1], m[2], m[3], m[4], m[5], m[6]
	var b strings.Builder
	if commit != "" {
		fmt.Fprintf(&b, "0+%d.g%s", commits, commit)
	} else {
		b.WriteString(release)
	}
	if candidate != "" {
		b.WriteString("~" + candidate)
	}
	if since != "" {
		fmt.Fprintf(&b, "+%s.g%s", since, newest)
	}
	if dirty != "" && commit == "" && since == "" {
		b.WriteString("+0") // less than the next commit's
	}
	if dirty != "" {
		b.WriteString(".dirty")
	}
	return b.String(), nil
}
