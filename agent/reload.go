package agent

import (
	"context"

	"memvip/agent/control"
	"memvip/configs"
)

// answerReload has this process become its program anew, which reads the configuration as it is now. It is the way of
// an upgrade: the configuration is tried first, and addresses stay up meanwhile. If it will not do, or would have this
// node and another not understand each other's gossip, nothing changes.
func (a *agent) answerReload(ctx context.Context, r control.Request) control.Response {
	if c, err := configs.Load(a.options.ConfigPath); err == nil { // the trial says what is wrong with another
		if err := a.maySeal(ctx, configs.KeyFileOf(c.Cluster.Keys)); err != nil {
			return control.Fail(control.FailRefused, "%v", err)
		}
	}
	a.asks(r)
	tried := make(chan error, 1)
	select {
	case a.reloads <- tried:
	case <-a.loop.queue.ended:
		return control.Fail(control.FailStopping, "%v", errEnded)
	case <-ctx.Done():
		return control.Fail(control.FailInternal, "%v", ctx.Err())
	}
	select {
	case err := <-tried:
		if err != nil {
			return control.Fail(control.FailRefused, "%v", err)
		}
		return control.Reply(struct{}{})
	case <-a.loop.queue.ended:
		return control.Fail(control.FailStopping, "%v", errEnded)
	case <-ctx.Done():
		return control.Fail(control.FailInternal, "%v", ctx.Err())
	}
}
