package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// KeepalivedOptions is how keepalived is set up, in the words of its own manual.
type KeepalivedOptions struct {
	Version int           // vrrp_version, 2 or 3
	Advert  time.Duration // advert_int
	// TrackProcess has it notice the death of an instance by itself, beside the check script.
	TrackProcess bool
	// Realtime is vrrp_rt_priority, which comes with vrrp_no_swap; 0 for the ordinary scheduling class.
	Realtime int
	// RealtimeLimit is vrrp_rlimit_rttime: how long it may compute in that class before the kernel ends it; 0 for
	// its own 10 ms.
	RealtimeLimit time.Duration
}

// Keepalived is the installed keepalived on one host. It gives each VIP its own virtual router, of the highest priority at home.
type Keepalived struct {
	daemon
	host *Host
}

const (
	keepalivedFile = "keepalived.conf"
	checkFile      = "check.sh"
	pidFile        = "keepalived.pid"
	vrrpPIDFile    = "keepalived_vrrp.pid"
	// demotion takes a home's priority below everybody else's.
	demotion = 130
)

// check fails unless memcached answers a real command in time, on the loopback port that it is given.
const check = `#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'version\r\n' >&3
read -r -t 1 line <&3 || exit 1
[[ $line == VERSION* ]]
`

func newKeepalived(h *Host) *Keepalived {
	k := &Keepalived{host: h}
	k.daemon = daemon{
		name:    h.Name + ": keepalived",
		thread:  h.lab.outside, // net_namespace takes it into the host's; only from outside is it told of processes' ends
		logPath: filepath.Join(h.dir, "keepalived.log"),
		dir:     h.dir,
		family:  true,
		argv: func() []string {
			return []string{
				h.lab.keepalived, "--vrrp", "--dont-fork", "--no-syslog", "--log-console", "--log-detail", "--use-file=" + filepath.Join(h.dir, keepalivedFile),
				"--pid=" + filepath.Join(h.dir, pidFile), "--vrrp_pid=" + filepath.Join(h.dir, vrrpPIDFile),
			}
		},
	}
	return k
}

// Start runs keepalived. The pid files of one that was killed go first, as a service manager would see to: it
// refuses to start while a process of the old number is there, be it only not buried yet.
func (k *Keepalived) Start() error {
	for _, name := range []string{pidFile, vrrpPIDFile} {
		if err := os.Remove(filepath.Join(k.host.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("lab: %s: start: %w", k.name, err)
		}
	}
	return k.daemon.Start()
}

// errRootless says why a lab without root has no keepalived.
var errRootless = errors.New("lab: keepalived wants root outside of user namespaces: inside it can neither run its check scripts nor track processes")

// prepareKeepalived writes what every host's keepalived reads, and gives each memcached a process name of its own, by
// which keepalived can track it.
func (l *Lab) prepareKeepalived() error {
	if rootless {
		return errRootless
	}
	var err error
	if l.keepalived, err = keepalivedPath(); err != nil {
		return err
	}
	for _, h := range l.Hosts {
		text := keepalivedConfig(*l.options.Keepalived, h.site())
		err = errors.Join(err,
			os.WriteFile(filepath.Join(h.dir, keepalivedFile), []byte(text), 0o644),
			os.WriteFile(filepath.Join(h.dir, checkFile), []byte(check), 0o755))
		for i, m := range h.instances {
			m.Program = filepath.Join(h.dir, h.processName(i))
			err = errors.Join(err, os.Symlink(l.memcached, m.Program))
		}
		if err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	return nil
}

// keepalivedRun is where keepalived makes a folder for each network namespace, whatever it is told of its files.
const keepalivedRun = runDir + "/keepalived"

// clearKeepalived removes what the keepalived processes of the lab have made there, and the folder with the last of them.
func (l *Lab) clearKeepalived() error {
	var err error
	for _, h := range l.Hosts {
		err = errors.Join(err, os.RemoveAll(filepath.Join(keepalivedRun, h.Netns())))
	}
	// An error means that another lab still has something in it, or that none ever had.
	_ = os.Remove(keepalivedRun)
	return err
}

// processName is what the kernel calls the host's n-th memcached: 15 bytes at most, and nothing else on this machine
// bears it, since keepalived looks at all processes.
func (h *Host) processName(n int) string {
	const tokenMax = 6
	token := strings.TrimPrefix(filepath.Base(h.lab.dir), labPrefix)
	return fmt.Sprintf("m%s-%d-%d", token[max(0, len(token)-tokenMax):], h.Addr.As4()[3], n)
}

// keepalivedSite is what a configuration depends on beside the options.
type keepalivedSite struct {
	host, netns, dir string
	services         []service
}

// service is one VIP as one host sees it.
type service struct {
	vip      netip.Addr
	router   int // virtual_router_id
	priority int
	port     uint16 // of the instance, on loopback
	process  string
}

func (h *Host) site() keepalivedSite {
	s := keepalivedSite{host: h.Name, netns: h.Netns(), dir: h.dir}
	for _, v := range h.lab.VIPs {
		m := h.Instance(v.Addr)
		n := 0
		for h.instances[n] != m {
			n++
		}
		s.services = append(s.services, service{
			vip: v.Addr, router: 51 + v.Index, priority: h.priority(v), port: m.private.Port(), process: h.processName(n),
		})
	}
	return s
}

// priority is 150 at home, 50 at the last of the others, who follow each other in turns.
func (h *Host) priority(v VIP) int {
	n, own, home := len(h.lab.Hosts), 0, 0
	for i, o := range h.lab.Hosts {
		if o == h {
			own = i
		}
		if o == v.Home {
			home = i
		}
	}
	return 150 - (own-home+n)%n*100/max(1, n-1)
}

// keepalivedConfig writes a host's keepalived.conf.
func keepalivedConfig(o KeepalivedOptions, s keepalivedSite) string {
	var b strings.Builder
	fmt.Fprintf(&b, "net_namespace %s\nglobal_defs {\n    router_id %s\n    vrrp_version %d\n    script_user root\n", s.netns, s.host, o.Version)
	if o.Realtime > 0 {
		fmt.Fprintf(&b, "    vrrp_rt_priority %d\n    vrrp_no_swap\n", o.Realtime)
	}
	if o.RealtimeLimit > 0 {
		fmt.Fprintf(&b, "    vrrp_rlimit_rttime %d\n", o.RealtimeLimit.Microseconds())
	}
	b.WriteString("}\n")
	for i, v := range s.services {
		fmt.Fprintf(&b, "vrrp_script memcached%d {\n    script \"%s/%s %d\"\n    interval 1\n    timeout 2\n    fall 2\n    rise 1\n}\n", i, s.dir, checkFile, v.port)
		fmt.Fprintf(&b, "track_file demote%d {\n    file \"%s\"\n    weight 1\n    init_file 0 overwrite\n}\n", i, demotePath(s.dir, i))
		if o.TrackProcess {
			fmt.Fprintf(&b, "vrrp_track_process alive%d {\n    process %s\n}\n", i, v.process)
		}
	}
	for i, v := range s.services {
		fmt.Fprintf(&b, "vrrp_instance VIP%d {\n    state BACKUP\n    interface eth0\n    virtual_router_id %d\n    priority %d\n    advert_int %g\n",
			i, v.router, v.priority, o.Advert.Seconds())
		fmt.Fprintf(&b, "    virtual_ipaddress {\n        %s/24\n    }\n    track_script {\n        memcached%d\n    }\n    track_file {\n        demote%d\n    }\n", v.vip, i, i)
		if o.TrackProcess {
			fmt.Fprintf(&b, "    track_process {\n        alive%d\n    }\n", i)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func demotePath(dir string, vip int) string { return filepath.Join(dir, fmt.Sprintf("demote-%d", vip)) }

// Demote has this host's keepalived give a VIP away while another can have it: the VIP's tracked file lowers the
// priority. The instant is that before the file is written.
func (k *Keepalived) Demote(vip netip.Addr) (Instant, error) { return k.weigh(vip, -demotion) }

// Restore undoes Demote.
func (k *Keepalived) Restore(vip netip.Addr) (Instant, error) { return k.weigh(vip, 0) }

func (k *Keepalived) weigh(vip netip.Addr, weight int) (Instant, error) {
	path := demotePath(k.host.dir, k.host.lab.vip(vip).Index)
	at := Now()
	if err := os.WriteFile(path, fmt.Appendln(nil, weight), 0o644); err != nil {
		return at, fmt.Errorf("lab: %s: weigh %s: %w", k.name, vip, err)
	}
	return at, nil
}

// keepalivedPath finds Debian's keepalived, or says how to get it.
func keepalivedPath() (string, error) {
	path, err := exec.LookPath("keepalived")
	if err != nil {
		path = "/usr/sbin/keepalived" // which is not in an ordinary user's path
		err = unix.Access(path, unix.X_OK)
	}
	if err != nil {
		return "", errors.New("lab: keepalived is not installed; as root: apt-get install -y keepalived")
	}
	return path, nil
}

// KeepalivedVersion is what the installed keepalived calls itself.
func KeepalivedVersion() (string, error) {
	path, err := keepalivedPath()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("lab: keepalived --version: %w: %s", err, out)
	}
	_, after, _ := strings.Cut(string(out), "Keepalived v")
	version, _, _ := strings.Cut(cmp.Or(after, string(out)), " ")
	return version, nil
}
