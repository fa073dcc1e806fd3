package agent

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const bootIDPath = "/proc/sys/kernel/random/boot_id"

// hostBoot names this boot of this host as the other nodes see it: the kernel's boot id and the network
// namespace, so that hosts which are namespaces of one kernel differ, and a namespace made anew is a
// host that has rebooted. It is in every heartbeat, so it is told as a digest of twelve characters.
func hostBoot() (string, error) {
	id, err := os.ReadFile(bootIDPath)
	if err != nil {
		return "", fmt.Errorf("identify host boot: %w", err)
	}
	namespace, err := networkNamespace()
	if err != nil {
		return "", fmt.Errorf("identify host boot: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(id)) + "/" + namespace))
	return base64.RawURLEncoding.EncodeToString(sum[:9]), nil
}

// networkNamespace names the network namespace of the calling thread: by its cookie, which the kernel
// never gives twice, or before Linux 5.14 by its inode, which a later namespace may get again.
func networkNamespace() (string, error) {
	if cookie, err := namespaceCookie(); err == nil {
		return fmt.Sprintf("net%d", cookie), nil
	}
	var at unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &at); err != nil {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	return fmt.Sprintf("ino%d", at.Ino), nil
}

func namespaceCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
}
