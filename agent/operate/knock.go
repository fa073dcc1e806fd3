package operate

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// knockEvery and knockWait are the pace of a Client: as often as a gap is to be told to a millisecond or two, and no
// longer waited for than a gap that a client would call one.
const (
	knockEvery = time.Millisecond
	knockWait  = 20 * time.Millisecond
)

// Client knocks at a memcached as its clients do: by a connection, and the question for its version. Every connection
// that fails is replaced by a new one.
type Client struct {
	Address string // host:port

	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	last    time.Time // newest answer
	longest time.Duration
}

var _ Knocker = (*Client)(nil)

// Start is Knocker's.
func (c *Client) Start(ctx context.Context) error {
	conn, err := c.dial(ctx, time.Second)
	if err == nil {
		err = ask(conn, time.Second)
	}
	if err != nil {
		return err
	}
	c.last = time.Now()
	ctx, c.cancel = context.WithCancel(ctx)
	c.running.Go(func() { c.knock(ctx, conn) })
	return nil
}

// Stop is Knocker's.
func (c *Client) Stop() {
	c.cancel()
	c.running.Wait()
}

// LongestGap is Knocker's. A gap that lasts counts as far as it has lasted.
func (c *Client) LongestGap() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest := max(c.longest, time.Since(c.last))
	c.longest = 0
	return longest
}

func (c *Client) knock(ctx context.Context, conn net.Conn) {
	pace := time.NewTicker(knockEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
			return
		case <-pace.C:
		}
		if conn == nil {
			conn, _ = c.dial(ctx, knockWait) // no connection is no answer
			continue
		}
		if ask(conn, knockWait) != nil {
			_ = conn.Close()
			conn = nil
			continue
		}
		c.answered()
	}
}

func (c *Client) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.longest, c.last = max(c.longest, now.Sub(c.last)), now
}

func (c *Client) dial(ctx context.Context, wait time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, "tcp", c.Address)
}

// ask wants any line for an answer: a server that is busy or wants a login is one that serves.
func ask(conn net.Conn, wait time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("version\r\n")); err != nil {
		return err
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}
