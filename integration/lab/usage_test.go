package lab

import (
	"os"
	"testing"
)

func TestParseRollup(t *testing.T) {
	const text = "00400000-7fff000 ---p 00000000 00:00 0    [rollup]\nRss:                1234 kB\nPss:                 567 kB\nPss_Dirty:   9 kB\n"
	if rss, pss := parseRollup([]byte(text)); rss != 1234<<10 || pss != 567<<10 {
		t.Errorf("rss %d, pss %d", rss, pss)
	}
}

// A process that works has used more afterwards, and one that is not there has used nothing.
func TestProcessTime(t *testing.T) {
	before, err := processTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after := before
	for n := 0; after == before && n < 1e6; n++ {
		if after, err = processTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if before <= 0 || after <= before {
		t.Errorf("used %v, then %v", before, after)
	}
	if used, err := processTime(1 << 22); err == nil {
		t.Errorf("a process that cannot be has used %v", used)
	}
}

func TestUsageOfThisVeryProcess(t *testing.T) {
	var u Usage
	if err := u.add(os.Getpid(), true); err != nil {
		t.Fatal(err)
	}
	if u.CPU <= 0 || u.RSS <= 0 || u.PSS <= 0 || u.PSS > u.RSS {
		t.Errorf("%+v", u)
	}
	var other Usage
	if err := other.add(os.Getpid(), false); err != nil || other.CPU != 0 || other.RSS != 0 || other.Scripts <= 0 {
		t.Errorf("as a script: %+v, %v", other, err)
	}
}
