package configs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkInstances looks at every instance that is probed and flushed. The file is the same on every host, so
// an instance has to be local on each of them: at a VIP or at one node's address, every other host would
// judge, and empty, somebody else's memcached.
func (r *vipReader) checkInstances(root *table, tables []*table) {
	r.checkDefaultInstance(root, tables)
	for i, t := range tables {
		if t.has("instance") {
			r.checkLocal(t, "instance", r.vips[i].Instance)
		}
	}
	if len(root.problems.found) > 0 {
		return // a command that was misread would be reported as one that differs
	}
	for i, t := range tables {
		r.checkRestartAgrees(t, i)
	}
}

// checkDefaultInstance asks for memcached.address where a VIP depends on it.
func (r *vipReader) checkDefaultInstance(root *table, tables []*table) {
	section, _ := root.values["memcached"].(map[string]any)
	if root.has("memcached") && section == nil {
		return
	}
	t := &table{problems: root.problems, name: "memcached", values: section, at: root.at.key("memcached")}
	if t.has("address") {
		r.checkLocal(t, "address", r.memcached.Address)
		return
	}
	if t.has("restart_command") {
		return // readMemcached has asked for the address
	}
	for _, v := range tables {
		if !v.has("instance") {
			t.bad("address", "missing", fmt.Sprintf(`the instance of the vip on line %d, such as "127.0.0.1:11211"`, v.at.line))
			return
		}
	}
}

func (r *vipReader) checkLocal(t *table, key string, instance netip.AddrPort) {
	const expected = "an address that is local on every host, such as 127.0.0.1"
	a := instance.Addr()
	if !a.IsValid() || a.IsLoopback() {
		return
	}
	for _, m := range r.members {
		if m.Addr == a {
			t.bad(key, fmt.Sprintf("%s is at the address of node %s", instance, m.Name), expected)
			return
		}
	}
	if line, taken := r.lines[a]; taken {
		t.bad(key, fmt.Sprintf("%s is at the address of the vip on line %d", instance, line), expected)
		return
	}
	t.warn(key, "%s is no loopback address: every host must have it, and what clients write there is not protected", instance)
}

// checkRestartAgrees reports VIPs that share an instance but not the way to restart it.
func (r *vipReader) checkRestartAgrees(t *table, i int) {
	v := r.vips[i]
	if !v.Instance.IsValid() {
		return
	}
	first := slices.IndexFunc(r.vips, func(o VIP) bool { return o.Instance == v.Instance })
	other := r.vips[first]
	if !slices.Equal(other.RestartCommand, v.RestartCommand) {
		t.bad("restart_command", fmt.Sprintf("%s, but %s for the vip on line %d, on the same instance %s",
			showArgv(v.RestartCommand), showArgv(other.RestartCommand), other.line, v.Instance), "one command for one instance")
	}
}

func showArgv(argv []string) string {
	if argv == nil {
		return "none"
	}
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = quote(a)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
