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
	listen := flag.String("l", "", "`ADDRESS,...` to listen on, each with its port or without")
	port := flag.String("p", "11211", "`PORT` of an address without one")
	key := flag.String("read", "", "`KEY` that is read when a flush comes")
	times := flag.Int("times", 0, "`NUMBER` of flushes at which it is found and read")
	for _, ignored := range []string{"U", "u", "m", "c"} {
		flag.String(ignored, "", "ignored")
	}
	flag.Parse()
	if err := serve(addresses(*listen, *port), *key, *times); err != nil {
		fmt.Fprintln(os.Stderr, "fakecached:", err)
		os.Exit(1)
	}
	select {}
}

// addresses are those that memcached would listen on.
func addresses(listen, port string) []string {
	list := strings.Split(listen, ",")
	for i, a := range list {
		if _, _, err := net.SplitHostPort(a); err != nil {
			list[i] = net.JoinHostPort(a, port)
		}
	}
	return list
}

// serve returns once the server can be reached.
func serve(addresses []string, key string, times int) error {
	var server *fake.Server
	var left atomic.Int64
	left.Store(int64(times))
	server = fake.New(fake.Options{Generation: fake.Since1625, PID: os.Getpid(), OnCommand: func(command string) {
		if !strings.HasPrefix(command, "flush_all") || left.Load() == 0 || strings.Contains(server.Do("stats"), " curr_items 0\r\n") {
			return // nobody reads what is empty: that would be traffic, and spoil the flush for that alone
		}
		if strings.HasPrefix(server.Do("get "+key), "VALUE ") {
			left.Add(-1)
		}
	}})
	for _, a := range addresses {
		if _, err := server.Listen(a); err != nil {
			return err
		}
	}
	return nil
}
