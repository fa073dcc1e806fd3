package health

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes this test binary a small program for a test that needs a process in other namespaces.
const childVariable = "MEMVIP_HEALTH_TEST_CHILD"

func TestMain(m *testing.M) {
	switch child := os.Getenv(childVariable); child {
	case "":
		goleak.VerifyTestMain(m)
	case "open":
		childOpen()
	case "inherit":
		childInherit()
	default:
		fmt.Fprintf(os.Stderr, "unknown child %q\n", child)
		os.Exit(2)
	}
}

// childOpen tries to open the connector and prints how that went.
func childOpen() {
	c, err := OpenConnector()
	switch {
	case err == nil:
		fmt.Println("opened", c.Close())
	case errors.Is(err, ErrNotAllowed):
		fmt.Println("not allowed")
	default:
		fmt.Println("other error:", err)
	}
}

// childInherit watches the process named by its argument through the socket at descriptor 3 until the process ends.
func childInherit() {
	pid, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Println("bad argument:", err)
		return
	}
	c, err := ConnectorFromFile(os.NewFile(3, "inherited"))
	if err != nil {
		fmt.Println("cannot inherit:", err)
		return
	}
	exits := make(chan Exit, 100)
	c.Watch(pid, func(e Exit) { exits <- e })
	_, errOpen := OpenConnector()
	fmt.Println("watching; opening here is not allowed:", errors.Is(errOpen, ErrNotAllowed))
	for e := range exits {
		if e.Kind == ExitProcess {
			fmt.Println("exited", e.PID)
			break
		}
	}
	if err := c.Close(); err != nil {
		fmt.Println(err)
	}
}
