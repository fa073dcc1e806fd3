package roff

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPage(t *testing.T) {
	p := New("agent-x", 8, time.Date(2026, 1, 2, 23, 0, 0, 0, time.FixedZone("", -7200)), "1.0~rc1", `does "x"`)
	p.Section("OPTIONS")
	p.Paragraphs("\nA line with `agent-x --help` in it.\n.hidden begins with a dot\n\nit's \\ here\n")
	p.Item([]string{Bold("-a"), Bold("-b") + " " + Italic("FILE")}, "one\n\ntwo")
	p.Example("$ ls ~\n.x\n\n\n")
	p.SeeAlso("ls(1)", "a-b(5)")
	want := `.TH AGENT\-X 8 "2026-01-03" "memvip 1.0\(tirc1" memvip
.SH NAME
agent\-x \- does "x"
.SH OPTIONS
A line with \fBagent\-x \-\-help\fR in it.
\&.hidden begins with a dot
.PP
it\(aqs \e here
.TP
\fB\-a\fR
.TQ
\fB\-b\fR \fIFILE\fR
one
.IP
two
.EX
$ ls \(ti
\&.x
.EE
.SH "SEE ALSO"
.BR ls (1),
.BR a\-b (5)
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}
