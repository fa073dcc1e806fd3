package lab

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// agentConfig writes the configuration that all agents of a lab share.
func agentConfig(o Options, hosts []*Host, vips []VIP, keyFile string) string {
	var b strings.Builder
	members := make([]string, len(hosts))
	for i, h := range hosts {
		members[i] = fmt.Sprintf("%s = %q", h.Name, h.Addr)
	}
	voters := cmp.Or(o.Voters, len(hosts))
	b.WriteString("[cluster]\nname     = \"lab\"\n")
	fmt.Fprintf(&b, "voters   = { %s }\n", strings.Join(members[:voters], ", "))
	if voters < len(hosts) {
		fmt.Fprintf(&b, "nodes    = { %s }\n", strings.Join(members[voters:], ", "))
	}
	fmt.Fprintf(&b, "key_file = %q\n", keyFile)
	if o.Lease != 0 {
		fmt.Fprintf(&b, "lease    = %q\n", o.Lease)
	}
	lines(&b, o.ClusterTOML)
	fmt.Fprintf(&b, "\n[memcached]\naddress = \"127.0.0.1:%d\"\n", Port)
	lines(&b, o.MemcachedTOML)
	for _, v := range vips {
		fmt.Fprintf(&b, "\n[[vip]]\naddress  = %q\nhome     = %q\n", v.Addr, v.Home.Name)
		if o.InstancePerVIP {
			fmt.Fprintf(&b, "instance = %q\n", instanceAddr(v.Index))
		}
		lines(&b, o.VIPTOML)
	}
	if o.ExtraTOML != "" {
		b.WriteByte('\n')
		lines(&b, o.ExtraTOML)
	}
	return b.String()
}

// lines appends text, if any, with one newline at its end.
func lines(b *strings.Builder, text string) {
	if text = strings.Trim(text, "\n"); text != "" {
		b.WriteString(text + "\n")
	}
}

// writeConfig writes the configuration and the key, and returns the configuration's path.
func (l *Lab) writeConfig(o Options) (string, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("lab: make a key: %w", err)
	}
	keyFile := filepath.Join(l.dir, "gossip.key")
	if err := os.WriteFile(keyFile, []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	path := filepath.Join(l.dir, "agent.toml")
	if err := os.WriteFile(path, []byte(agentConfig(o, l.Hosts, l.VIPs, keyFile)), 0o644); err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	return path, nil
}
