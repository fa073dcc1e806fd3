package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/doctor"
	"memvip/agent/history"
	"memvip/configs"
)

// What the control socket and the other nodes ask for. A question about another node is passed on to it, so that
// every node can be asked about every node.

// historyMax entries are told at once at most: less than one answer between nodes may have.
const historyMax = 2000

// answer serves the control socket.
func (a *agent) answer(ctx context.Context, r control.Request) control.Response {
	r.By = a.self.Name
	if r.Node != "" && r.Node != a.self.Name {
		return a.passOn(ctx, r)
	}
	return a.carryOut(ctx, r)
}

// answerNode serves the other nodes.
func (a *agent) answerNode(ctx context.Context, from string, question []byte) []byte {
	select {
	case <-a.ready: // the port is open before everything is that an answer needs
	case <-ctx.Done():
	}
	resp := control.Fail(control.FailBadRequest, "this is no question")
	var r control.Request
	switch err := json.Unmarshal(question, &r); {
	case err != nil:
	case r.Version != control.ProtocolVersion:
		resp = control.Fail(control.FailVersion, "protocol version %d asked for, this agent speaks %d", r.Version, control.ProtocolVersion)
	default:
		r.By = from
		resp = a.carryOut(ctx, r)
	}
	answer, err := json.Marshal(resp)
	if err != nil { // Response has nothing that JSON cannot have
		panic(fmt.Sprintf("agent: encode an answer: %v", err))
	}
	return answer
}

// passOn asks the node that a request is about. It leaves the asker time to hear that there was no answer.
func (a *agent) passOn(ctx context.Context, r control.Request) control.Response {
	if !slices.Contains(a.nodeNames(), r.Node) {
		return control.Fail(control.FailRefused, "no node %s is configured; there are %s", r.Node, strings.Join(a.nodeNames(), ", "))
	}
	patience := passOnMax
	if r.Patience > 0 {
		patience = min(patience, time.Duration(r.Patience)*time.Millisecond*4/5)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := a.askNode(ctx, r)
	if err != nil {
		return control.Fail(control.FailUnreached, "%s", unreachedText(r.Node, patience, err))
	}
	return resp
}

// passOnMax bounds how long another node is waited for.
const passOnMax = 8 * time.Second

// askNode asks another node.
func (a *agent) askNode(ctx context.Context, r control.Request) (control.Response, error) {
	r.Version = control.ProtocolVersion
	question, err := json.Marshal(r)
	if err != nil {
		return control.Response{}, err
	}
	answer, err := a.gossip.Call(ctx, r.Node, question)
	if err != nil {
		return control.Response{}, err
	}
	var resp control.Response
	if err := json.Unmarshal(answer, &resp); err != nil {
		return control.Response{}, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return resp, nil
}

// unreachedText says why another node has not answered, and what that may mean.
func unreachedText(node string, patience time.Duration, err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("%s has not answered within %s: it is cut off, or its agent is frozen or starved", node, patience)
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Sprintf("%s is there, but no agent answers on it", node)
	}
	return fmt.Sprintf("%s is not reached: %v", node, err)
}

func (a *agent) nodeNames() []string {
	var names []string
	for _, m := range a.config.AllNodes() {
		names = append(names, m.Name)
	}
	return names
}

// carryOut does what this node is asked for.
func (a *agent) carryOut(ctx context.Context, r control.Request) control.Response {
	switch r.Command {
	case control.CommandStatus:
		return a.answerStatus(ctx, r)
	case control.CommandView:
		return a.answerView(ctx)
	case control.CommandHistory:
		f := r.History
		if f.Limit <= 0 || f.Limit > historyMax {
			f.Limit = historyMax
		}
		return control.Reply(append([]history.Entry{}, a.history.Read(f)...))
	case control.CommandTrace:
		return a.answerTrace(r)
	case control.CommandConfig:
		return control.Reply(control.RunningConfig{Path: a.config.Path, Lines: a.config.Lines()})
	case control.CommandClock:
		return control.Reply(control.Clock{Boottime: time.Duration(boottime())})
	case control.CommandDoctor:
		return a.answerDoctor(ctx)
	case control.CommandDrain:
		return a.order(ctx, r, core.DrainRequested{On: r.On})
	case control.CommandPause:
		return a.order(ctx, r, core.PauseRequested{On: r.On})
	case control.CommandMove, control.CommandHandback:
		return a.answerAboutVIP(ctx, r)
	case control.CommandFlush:
		return a.answerFlush(ctx, r)
	case control.CommandReload:
		return a.answerReload(ctx, r)
	case control.CommandKeys:
		return a.answerKeys(ctx, r)
	}
	return control.Fail(control.FailUnknownCommand, "unknown command %q", r.Command)
}

// order has the machine do what an operator wants, and writes down who wanted it. A report that is asked for after its
// answer is of the time after.
func (a *agent) order(ctx context.Context, r control.Request, ev core.Event) control.Response {
	a.asks(r)
	if err := a.loop.inform(ctx, ev); err != nil {
		return control.Fail(control.FailStopping, "%v", err)
	}
	return control.Reply(struct{}{})
}

// asks notes an operator's wish in log and history.
func (a *agent) asks(r control.Request) {
	command := string(r.Command)
	switch r.Command {
	case control.CommandDrain, control.CommandPause:
		if !r.On {
			command = map[control.Command]string{control.CommandDrain: "undrain", control.CommandPause: "resume"}[r.Command]
		}
	case control.CommandMove:
		command += " to " + r.To
	case control.CommandKeys:
		command += " " + string(r.Keys.Action)
		if r.Keys.Fingerprint != "" {
			command += " " + r.Keys.Fingerprint
		}
	default: // the word says it
	}
	a.loop.note(history.Asked(command, r.VIP, r.By, time.Now()))
	fields := logrus.Fields{fieldCommand: command, fieldBy: r.By}
	if r.VIP != "" {
		fields[fieldVIP] = r.VIP
	}
	a.diary.change(fields, "an operator asks")
}

// answerAboutVIP takes up a move or a hand-back, if this node is the one that can begin it.
func (a *agent) answerAboutVIP(ctx context.Context, r control.Request) control.Response {
	status, err := a.loop.ask(ctx)
	if err != nil {
		return control.Fail(control.FailStopping, "%v", err)
	}
	i := slices.IndexFunc(status.VIPs, func(v core.VIPStatus) bool { return string(v.Name) == r.VIP })
	switch {
	case i < 0:
		return control.Fail(control.FailRefused, "no VIP %s is configured on %s", r.VIP, a.self.Name)
	case r.Command == control.CommandHandback && status.VIPs[i].Home != a.self.Name:
		return control.Fail(control.FailRefused, "%s is not the home of %s, %s is", a.self.Name, r.VIP, status.VIPs[i].Home)
	case r.Command == control.CommandHandback:
		return a.order(ctx, r, core.HandbackRequested{Name: core.Name(r.VIP)})
	case status.VIPs[i].Lease == nil || !status.VIPs[i].Holding:
		return control.Fail(control.FailRefused, "%s does not hold %s", a.self.Name, r.VIP)
	}
	return a.order(ctx, r, core.MoveRequested{Name: core.Name(r.VIP), To: r.To})
}

// answerFlush empties what serves at once, and has the rest flushed and proved as before any service. One that fails keeps
// no other from it; it is refused where nothing came of it at all.
func (a *agent) answerFlush(ctx context.Context, r control.Request) control.Response {
	status, err := a.loop.ask(ctx)
	if err != nil {
		return control.Fail(control.FailStopping, "%v", err)
	}
	serving := map[string]bool{}
	for _, n := range status.Nodes {
		for _, v := range n.State.VIPs {
			if n.Name == a.self.Name && v.Role != core.Idle {
				serving[a.instanceName(v.Name)] = true
			}
		}
	}
	a.asks(r)
	flushed := control.Flushed{Serving: []string{}, Proving: []string{}}
	for _, name := range a.loop.instances.names() {
		if !serving[name] {
			flushed.Proving = append(flushed.Proving, name)
			if err := a.loop.inform(ctx, core.FlushRequested{Instance: name}); err != nil {
				return control.Fail(control.FailStopping, "%v", err)
			}
			continue
		}
		if err := a.loop.instances.empty(ctx, name); err != nil {
			flushed.Failed = append(flushed.Failed, control.FlushFailure{Address: name, Error: why(err)})
			continue
		}
		flushed.Serving = append(flushed.Serving, name)
	}
	if len(flushed.Failed) > 0 && len(flushed.Serving)+len(flushed.Proving) == 0 {
		var all []string
		for _, f := range flushed.Failed {
			all = append(all, fmt.Sprintf("flush_all at %s on %s: %s", f.Address, a.self.Name, f.Error))
		}
		return control.Fail(control.FailRefused, "%s", strings.Join(all, "; "))
	}
	return control.Reply(flushed)
}

// instanceName returns the instance that serves a VIP here.
func (a *agent) instanceName(name core.Name) string {
	for _, v := range a.config.VIPs {
		if nameOf(v) == name {
			return v.Instance.String()
		}
	}
	return ""
}

// answerDoctor looks at this host and at the way to the others.
func (a *agent) answerDoctor(ctx context.Context) control.Response {
	fence, _ := a.manager.Fence()
	options := doctor.Options{RuntimeDir: a.options.RuntimeDir, Agent: &doctor.Agent{
		Fence: string(fence), Detector: a.detector(), Keys: configs.Fingerprints(a.heldKeys()),
	}}
	var host, reach, clocks []doctor.Finding
	all := newCrew(a.loop.failed)
	all.start(func() { host = doctor.Host(ctx, a.config, a.self.Name, options) })
	all.start(func() { reach = doctor.Reach(ctx, a.config, a.self.Name) })
	all.start(func() { clocks = a.compareClocks(ctx) })
	all.wait()
	return control.Reply(slices.Concat(host, reach, clocks))
}

// clockSpan is how far apart clocks are asked: with round trips of a millisecond that tells rates a twentieth of a
// percent apart, on hosts that are busy still less than the bound.
const clockSpan = 2 * time.Second

func (a *agent) compareClocks(ctx context.Context) []doctor.Finding {
	ask := func(ctx context.Context, node string) (time.Duration, error) {
		resp, err := a.askNode(ctx, control.Request{Command: control.CommandClock, Node: node})
		if err != nil {
			return 0, err
		}
		var c control.Clock
		if err := json.Unmarshal(resp.Body, &c); err != nil {
			return 0, fmt.Errorf("the answer has no clock: %s", resp.Text)
		}
		return c.Boottime, nil
	}
	others := slices.DeleteFunc(a.nodeNames(), func(n string) bool { return n == a.self.Name })
	findings := doctor.ClockRates(ctx, doctor.Clocks{Ask: ask, Bound: a.config.Cluster.Drift, Span: clockSpan}, others)
	for i := range findings {
		findings[i].Node = a.self.Name
	}
	return findings
}
