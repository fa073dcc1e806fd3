// Command fakecached serves package flush/fake as a process: a memcached of 1.6.25 or later, which Debian's
// is not yet, with a reader on the host's own address who reads one key whenever a flush comes, just before
// it. There what was read within the last second survives the OK of flush_all. It takes the arguments that
// package lab gives to memcached and needs only some of them. It ends when it is killed.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"memvip/flush/fake"
)

func main() {
	listen := flag.String("l", "", "`ADDRESS` to listen on")
	port := flag.String("p", "11211", "`PORT` to listen on")
	key := flag.String("read", "", "`KEY` that is read when a flush comes")
	times := flag.Int("times", 0, "`NUMBER` of flushes at which it is found and read")
	for _, ignored := range []string{"U", "u", "m", "c"} {
		flag.String(ignored, "", "ignored")
	}
	flag.Parse()
	if err := serve(net.JoinHostPort(*listen, *port), *key, *times); err != nil {
		fmt.Fprintln(os.Stderr, "fakecached:", err)
		os.Exit(1)
	}
	select {}
}

// serve returns once the server can be reached.
func serve(address, key string, times int) error {
	var server *fake.Server
	var left atomic.Int64
	left.Store(int64(times))
	server = fake.New(fake.Options{Generation: fake.Since1625, OnCommand: func(command string) {
		if strings.HasPrefix(command, "flush_all") && left.Load() > 0 && strings.HasPrefix(server.Do("get "+key), "VALUE ") {
			left.Add(-1)
		}
	}})
	_, err := server.Listen(address)
	return err
}
