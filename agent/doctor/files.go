package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"memvip/configs"
)

// files looks at what an agent reads and writes.
func (h *host) files() []Finding {
	return []Finding{h.configFile(), h.keyFile(), h.runtimeDir()}
}

// configFile compares what is on the disk with what is in use: an agent reads it only when it starts.
func (h *host) configFile() Finding {
	path := h.config.Path
	onDisk, err := configs.Load(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unseen(CheckConfigFile, path, "the configuration", err, asRoot)
	case err != nil:
		return Finding{
			Check: CheckConfigFile, Severity: Failure, Subject: path, What: err.Error(),
			Why: "an agent that is started now, or again, refuses this file", Mend: "agentctl check " + path,
		}
	case onDisk.Digest() != h.config.Digest():
		return Finding{
			Check: CheckConfigFile, Severity: Warning, Subject: path, What: path + " has changed since it was read",
			Why: "an agent goes on with what it read when it started", Mend: "agentctl check " + path + " && agentctl reload",
		}
	}
	return fine(CheckConfigFile, path, "%s is good", path)
}

func (h *host) keyFile() Finding {
	path := h.config.Cluster.KeyFile
	file, err := configs.ReadKeyFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return unseen(CheckKeyFile, path, "the gossip key", err, asRoot)
	}
	if fault, ok := errors.AsType[*configs.Error](err); ok {
		return Finding{
			Check: CheckKeyFile, Severity: Failure, Subject: path, What: fmt.Sprintf("%s; expected %s", fault.Found, fault.Expected),
			Why:  "an agent does not start with it; whoever can read the key can take the addresses",
			Mend: "chmod 0600 " + path + ", or copy the file from another host; agentctl keygen makes a new one for all hosts",
		}
	}
	if held := configs.Fingerprints(file.Keys()); h.Agent != nil && len(h.Agent.Keys) > 0 && !slices.Equal(held, h.Agent.Keys) {
		return Finding{
			Check: CheckKeyFile, Severity: Warning, Subject: path,
			What: fmt.Sprintf("%s holds other keys (%s) than the agent uses (%s)", path, words(held), words(h.Agent.Keys)),
			Why:  "after its next start this node may not understand the others",
			Mend: "agentctl keys; the right file here, then agentctl keys reload " + h.self.Name,
		}
	}
	return h.keyOwner(path)
}

// keyOwner looks at the owner, who may change the file and its mode.
func (h *host) keyOwner(path string) Finding {
	var key, folder unix.Stat_t
	if err := errors.Join(unix.Stat(path, &key), unix.Stat(filepath.Dir(path), &folder)); err != nil {
		return unseen(CheckKeyFile, path, "the owner of the gossip key", err, asRoot)
	}
	return h.judgeOwner(path, key, folder)
}

// judgeOwner wants a key to belong to root or to who the agent runs as. Where none runs yet, that is who has the key's folder:
// the package makes it for the agent's user.
func (h *host) judgeOwner(path string, key, folder unix.Stat_t) Finding {
	f := Finding{
		Check: CheckKeyFile, Severity: Warning, Subject: path, What: fmt.Sprintf("%s belongs to user %d", path, key.Uid),
		Mend: fmt.Sprintf("chown --reference=%s %s", filepath.Dir(path), path),
	}
	groupReads := key.Mode&0o040 != 0 && key.Gid == folder.Gid
	switch {
	case key.Uid != 0 && int(key.Uid) != h.uid && (h.Agent != nil || key.Uid != folder.Uid):
		f.Why = "that user can read the key, and so take the addresses"
		return f
	case h.Agent == nil && key.Uid != folder.Uid && folder.Uid != 0 && !groupReads:
		f.Why = fmt.Sprintf("its folder belongs to user %d: an agent that runs as that user cannot read it, and does not start", folder.Uid)
		return f
	}
	return fine(CheckKeyFile, path, "%s holds a key, mode %04o", path, key.Mode&0o777)
}

// stateBytesWanted is far more than a state file and its successor take.
const stateBytesWanted = 4 << 20

// runtimeDir judges the nearest directory that exists: the unit makes the rest.
func (h *host) runtimeDir() Finding {
	dir := h.RuntimeDir
	disk, err := h.statfs(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		disk, err = h.statfs(dir)
	}
	switch {
	case err != nil:
		return unseen(CheckRuntimeDir, h.RuntimeDir, "the runtime directory", err, asRoot)
	case disk.Bavail*uint64(disk.Bsize) < stateBytesWanted || disk.Files > 0 && disk.Ffree == 0:
		return Finding{
			Check: CheckRuntimeDir, Severity: Failure, Subject: h.RuntimeDir, What: h.RuntimeDir + " is on a file system that is full",
			Why: "a node that cannot write its state takes no address", Mend: "df -h " + dir + "; df -i " + dir,
		}
	case disk.Type != unix.TMPFS_MAGIC && disk.Type != unix.RAMFS_MAGIC:
		return Finding{
			Check: CheckRuntimeDir, Severity: Warning, Subject: h.RuntimeDir,
			What: fmt.Sprintf("%s is not in memory (file system type %#x)", h.RuntimeDir, disk.Type),
			Why:  "every takeover waits for its disk", Mend: "findmnt -T " + dir + "; a directory in memory: memvip-agent --runtime-dir DIR, /run/memvip unless given",
		}
	}
	return fine(CheckRuntimeDir, h.RuntimeDir, "%s is in memory", h.RuntimeDir)
}

func statfs(dir string) (disk unix.Statfs_t, err error) {
	if err := unix.Statfs(dir, &disk); err != nil {
		return disk, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return disk, nil
}
