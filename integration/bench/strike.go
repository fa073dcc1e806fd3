package main

import (
	"context"
	"fmt"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// What faults do. Each strike returns the instant just before it.

func killMemcached(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Instance(v.Addr).Kill()
}

func freezeMemcached(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Instance(v.Addr).Freeze()
}

func termManager(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Manager().Term()
}

func killManager(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Manager().Kill()
}

func freezeManager(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) {
	return v.Home.Manager().Freeze()
}

func freezeHost(_ context.Context, _ *site, v lab.VIP) (lab.Instant, error) { return v.Home.Freeze() }
func cutHost(_ context.Context, s *site, v lab.VIP) (lab.Instant, error)    { return s.lab.Cut(v.Home) }

func returnHome(_ context.Context, s *site, v lab.VIP) (lab.Instant, error) {
	return s.lab.HealHost(v.Home)
}

func startMemcached(_ context.Context, _ *site, v lab.VIP) error {
	return v.Home.Instance(v.Addr).Start()
}

func thawMemcached(_ context.Context, _ *site, v lab.VIP) error {
	_, err := v.Home.Instance(v.Addr).Thaw()
	return err
}

func thawManager(_ context.Context, _ *site, v lab.VIP) error {
	_, err := v.Home.Manager().Thaw()
	return err
}

func thawHost(_ context.Context, _ *site, v lab.VIP) error {
	_, err := v.Home.Thaw()
	return err
}

func healHost(ctx context.Context, s *site, v lab.VIP) error {
	_, err := returnHome(ctx, s, v)
	return err
}

// startManager waits for the end of the one before, which may still be giving its VIPs away.
func startManager(ctx context.Context, _ *site, v lab.VIP) error {
	select {
	case <-v.Home.Manager().Done():
		return v.Home.Manager().Start()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendAway has the VIP served elsewhere: its home loses its carrier, and its memcached keeps what it has. That goes on
// for a while.
func sendAway(ctx context.Context, s *site, v lab.VIP) error {
	if _, err := s.lab.Unplug(v.Home); err != nil {
		return err
	}
	if _, err := s.awaitMoved(ctx, v.Addr, v.Home.Name); err != nil {
		return err
	}
	return s.open.WaitQuiet(ctx, calm)
}

// preparedMove keeps a VIP that is about to be moved from going home at once.
func preparedMove(ctx context.Context, s *site, v lab.VIP) error {
	if !s.contender.ours() {
		return nil // the file that moves it there keeps it there
	}
	return operate(ctx, v.Home.Agent(), "pause")
}

// move asks the way that each contender's manual says. For memvip the request goes to the agent as agentctl sends it,
// without the time that starting a command takes, since writing keepalived's file takes none either.
func move(ctx context.Context, s *site, v lab.VIP) (lab.Instant, error) {
	if !s.contender.ours() {
		return v.Home.Keepalived().Demote(v.Addr)
	}
	to := s.lab.Hosts[(v.Index+1)%len(s.lab.Hosts)]
	request := control.Request{Version: control.ProtocolVersion, Command: control.CommandMove, VIP: v.Addr.String(), To: to.Name}
	at := lab.Now()
	_, err := client(v.Home.Agent()).Do(ctx, request)
	return at, err
}

func moveBack(ctx context.Context, s *site, v lab.VIP) error {
	if !s.contender.ours() {
		_, err := v.Home.Keepalived().Restore(v.Addr)
		return err
	}
	return operate(ctx, v.Home.Agent(), "resume")
}

// operate runs an operator's command to its end.
func operate(ctx context.Context, a *lab.Agent, command string) error {
	out, code, err := a.Ctl(ctx, command)
	if err == nil && code != 0 {
		err = fmt.Errorf("agentctl %s: exit code %d: %s", command, code, out)
	}
	return err
}

// client asks an agent without a process of its own.
func client(a *lab.Agent) control.Client {
	return control.Client{Path: a.Socket(), Timeout: 5 * time.Second}
}
