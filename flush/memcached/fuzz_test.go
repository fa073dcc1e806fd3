package memcached

import (
	"errors"
	"strings"
	"testing"
)

// A reply of any bytes is either decoded or refused; nothing of it is kept beyond the stated bounds.

func FuzzStatsReply(f *testing.F) {
	f.Add("STAT pid 6100\r\nSTAT uptime 2\r\nSTAT rusage_user 0.000000\r\nEND\r\n")
	f.Add("STAT memory_file (null)\r\nSTAT evictions on\r\nSTAT inter \r\nEND\r\n")
	f.Add("CLIENT_ERROR unauthenticated\r\n")
	f.Add("STAT a 1\r\nSTAT b")
	f.Add("STAT \r\nEND\n")
	f.Fuzz(func(t *testing.T, reply string) {
		stats, err := readStats(linesOf(reply, "stats"))
		if (stats == nil) == (err == nil) {
			t.Fatalf("got figures %v and error %v", stats, err)
		}
		checkBounded(t, err)
		for name, value := range stats {
			if !strings.Contains(reply, "STAT "+name) || !strings.Contains(reply, value) {
				t.Errorf("figure %q=%q is not in the reply", name, value)
			}
		}
	})
}

func FuzzConnsReply(f *testing.F) {
	f.Add(connsOf1618)
	f.Add("STAT 3:addr unix:/run/memcached.sock\r\nSTAT 3:state conn_listening\r\nEND\r\n")
	f.Add("STAT 3:listen_addr tcp6:[::ffff:10.0.0.1]:5\r\nEND\r\n")
	f.Add("STAT 99999999999:state x\r\nEND\r\n")
	f.Add("ERROR Too many open connections\r\n")
	f.Fuzz(func(t *testing.T, reply string) {
		clients, err := readConns(linesOf(reply, "stats conns"))
		checkBounded(t, err)
		if err != nil && clients != nil {
			t.Fatalf("got clients %v and error %v", clients, err)
		}
		for _, client := range clients {
			if len(client.State) > 32 || client.Idle < 0 || client.FD < 0 {
				t.Errorf("out of bounds: %+v", client)
			}
		}
	})
}

func FuzzLineReply(f *testing.F) {
	f.Add("OK\r\n")
	f.Add("CLIENT_ERROR flush_all not allowed\r\n")
	f.Add("\n")
	f.Add("OK")
	f.Fuzz(func(t *testing.T, reply string) {
		err := linesOf(reply, "flush_all").exactly("OK")
		checkBounded(t, err)
		accepted := strings.HasPrefix(reply, "OK\r\n") || strings.HasPrefix(reply, "OK\n")
		if (err == nil) != accepted {
			t.Errorf("got error %v for %q", err, reply)
		}
	})
}

func checkBounded(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if n := len(err.Error()); n > 8*replyBytesMax {
		t.Errorf("error text of %d bytes", n)
	}
	var reply *ReplyError
	if errors.As(err, &reply) && len(reply.Reply) > replyBytesMax {
		t.Errorf("error keeps %d bytes", len(reply.Reply))
	}
}
