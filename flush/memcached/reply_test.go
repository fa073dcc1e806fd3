package memcached

import (
	"bufio"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func linesOf(reply, command string) *lines {
	return &lines{r: bufio.NewReaderSize(strings.NewReader(reply), lineBytesMax), command: command}
}

func TestReplyKinds(t *testing.T) {
	for reply, want := range map[string]Kind{
		"ERROR Too many open connections":           KindFull,
		"CLIENT_ERROR unauthenticated":              KindLogin,
		"CLIENT_ERROR flush_all not allowed":        KindRefused,
		"BUSY currently processing crawler request": KindBusy,
		"CLIENT_ERROR lru crawler disabled":         KindNoCrawler,
		"ERROR":                                     KindOther,
		"":                                          KindOther,
		"OK ":                                       KindOther,
		"SERVER_ERROR out of memory":                KindOther,
		"clIENT_ERROR unauthenticated":              KindOther,
		strings.Repeat("x", lineBytesMax-2):         KindOther,
		"ERROR Too many open connections, says a friend": KindFull,
	} {
		err := linesOf(reply+"\r\n", "flush_all").exactly("OK")
		got, ok := err.(*ReplyError)
		if !ok {
			t.Fatalf("%.40q: got error %v, want a *ReplyError", reply, err)
		}
		if got.Kind() != want {
			t.Errorf("%.40q: got kind %v, want %v", reply, got.Kind(), want)
		}
		if len(got.Reply) > replyBytesMax {
			t.Errorf("%.40q: keeps %d bytes of the reply", reply, len(got.Reply))
		}
	}
	if err := linesOf("OK\r\n", "flush_all").exactly("OK"); err != nil {
		t.Errorf("OK: %v", err)
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for kind := KindOther; kind <= KindNoCrawler; kind++ {
		name := kind.String()
		if strings.Contains(name, "(") || seen[name] {
			t.Errorf("kind %d is called %q", int(kind), name)
		}
		seen[name] = true
	}
}

func TestReplyErrorText(t *testing.T) {
	err := linesOf("ERROR\r\n", "flush_all").exactly("OK")
	if got, want := err.Error(), `flush_all: want "OK", got "ERROR"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStatsReply(t *testing.T) {
	for _, test := range []struct {
		name, reply string
		want        map[string]string
		wantErr     string
	}{
		{"figures", "STAT pid 12\r\nSTAT version 1.6.18\r\nEND\r\n", map[string]string{"pid": "12", "version": "1.6.18"}, ""},
		{"value with spaces", "STAT inter a b\r\nEND\r\n", map[string]string{"inter": "a b"}, ""},
		{"no value", "STAT inter\r\nSTAT ssl \r\nEND\r\n", map[string]string{"inter": "", "ssl": ""}, ""},
		{"last one counts", "STAT a 1\r\nSTAT a 2\r\nEND\r\n", map[string]string{"a": "2"}, ""},
		{"none", "END\r\n", map[string]string{}, ""},
		{"login", "CLIENT_ERROR unauthenticated\r\n", nil, `want "STAT ...", got "CLIENT_ERROR unauthenticated"`},
		{"no name", "STAT  5\r\nEND\r\n", nil, "without a name"},
		{"other line within", "STAT a 1\r\nVALUE a\r\nEND\r\n", nil, "want a STAT line or END"},
		{"cut off", "STAT a 1\r\nSTAT b", nil, "ended within the reply"},
		{"nothing", "", nil, "ended before the reply"},
		{"long line", "STAT a " + strings.Repeat("1", lineBytesMax) + "\r\nEND\r\n", nil, "a line is longer than 8192 bytes"},
		{"long reply", strings.Repeat("STAT a "+strings.Repeat("1", 2000)+"\r\n", 200), nil, ": longer than"},
		{"many figures", manyFigures(statsMax + 1), nil, "more than 4096 figures"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readStats(linesOf(test.reply, "stats"))
			checkError(t, err, test.wantErr)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func manyFigures(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "STAT name%d 1\r\n", i)
	}
	return b.String() + "END\r\n"
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

// connsOf1618 is what memcached 1.6.18 answers; the connection 19 had its socket destroyed while it waited to be
// accepted, and so lost its peer but not its local address.
const connsOf1618 = "STAT 15:addr tcp:0.0.0.0:21010\r\nSTAT 15:state conn_listening\r\nSTAT 15:secs_since_last_cmd 0\r\n" +
	"STAT 16:addr tcp6:[::]:21010\r\nSTAT 16:state conn_listening\r\nSTAT 16:secs_since_last_cmd 0\r\n" +
	"STAT 17:addr tcp:127.0.0.1:37574\r\nSTAT 17:listen_addr tcp:127.0.0.1:21010\r\nSTAT 17:state conn_parse_cmd\r\n" +
	"STAT 17:secs_since_last_cmd 7\r\n" +
	"STAT 19:addr ?:<AF 0>\r\nSTAT 19:listen_addr tcp:127.0.0.5:21010\r\nSTAT 19:state conn_new_cmd\r\n" +
	"STAT 19:secs_since_last_cmd 0\r\nEND\r\n"

func TestConnsReply(t *testing.T) {
	addr := netip.MustParseAddrPort
	for _, test := range []struct {
		name, reply string
		want        []Client
		wantErr     string
	}{
		{name: "1.6.18", reply: connsOf1618, want: []Client{
			{FD: 15, Transport: "tcp", Peer: addr("0.0.0.0:21010"), State: "conn_listening"},
			{FD: 16, Transport: "tcp6", Peer: addr("[::]:21010"), State: "conn_listening"},
			{FD: 17, Transport: "tcp", Peer: addr("127.0.0.1:37574"), Local: addr("127.0.0.1:21010"),
				State: "conn_parse_cmd", Idle: 7 * time.Second},
			{FD: 19, Local: addr("127.0.0.5:21010"), State: "conn_new_cmd"},
		}},
		{name: "mapped address is an IPv4 one", reply: "STAT 3:listen_addr tcp6:[::ffff:10.0.0.1]:5\r\nEND\r\n",
			want: []Client{{FD: 3, Local: addr("10.0.0.1:5")}}},
		{name: "port left out", reply: "STAT 3:listen_addr tcp:10.0.0.1\r\nSTAT 4:listen_addr tcp6:[fe80::1]\r\nEND\r\n",
			want: []Client{{FD: 3, Local: addr("10.0.0.1:0")}, {FD: 4, Local: addr("[fe80::1]:0")}}},
		{name: "unix", reply: "STAT 3:addr unix:/run/a:b\r\nSTAT 3:state conn_listening\r\nEND\r\n",
			want: []Client{{FD: 3, Transport: "unix", State: "conn_listening"}}},
		{name: "unknown field", reply: "STAT 3:colour red\r\nEND\r\n", want: []Client{{FD: 3}}},
		{name: "unreadable local address", reply: "STAT 3:listen_addr tcp:<null>\r\nEND\r\n", want: []Client{{FD: 3}}},
		{name: "none", reply: "END\r\n"},
		{name: "no number", reply: "STAT x:addr tcp:1.1.1.1:1\r\nEND\r\n", wantErr: "want a connection's number"},
		{name: "no field", reply: "STAT 12 1\r\nEND\r\n", wantErr: "want a connection's number"},
		{name: "bad seconds", reply: "STAT 1:secs_since_last_cmd -1\r\nEND\r\n", wantErr: "want seconds"},
		{name: "login", reply: "CLIENT_ERROR unauthenticated\r\n", wantErr: "unauthenticated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readConns(linesOf(test.reply, "stats conns"))
			checkError(t, err, test.wantErr)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestListening(t *testing.T) {
	for _, test := range []struct {
		client Client
		want   bool
	}{
		{Client{Transport: "tcp", State: "conn_listening"}, true},
		{Client{Transport: "udp", State: "conn_read"}, true},
		{Client{Transport: "tcp", State: "conn_read"}, false},
		{Client{State: "conn_closing"}, false},
	} {
		if got := test.client.Listening(); got != test.want {
			t.Errorf("%+v: got %v, want %v", test.client, got, test.want)
		}
	}
}
