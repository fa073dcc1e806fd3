package configs

import (
	"os"
	"os/exec" // who has fewer rights than the tests is another process
	"syscall"
	"testing"
)

// nobody is a user and a group that have no rights.
const nobody = 65534

// fewRights is set where a test runs once more, as nobody.
const fewRights = "CONFIGS_TEST_FEW_RIGHTS"

// withFewRights reports whether the test runs as nobody, in the folder that was current when it called runWithFewRights.
func withFewRights(t *testing.T) bool {
	t.Helper()
	if os.Getenv(fewRights) == "" {
		return false
	}
	mustDo(t, syscall.Fchdir(3))
	return true
}

// runWithFewRights runs the calling test once more, as nobody; only root can. The folder goes along open, and the program by
// the kernel's link to it: the paths to both lead through folders that nobody may enter.
func runWithFewRights(t *testing.T) {
	t.Helper()
	folder, err := os.Open(".")
	mustDo(t, err)
	defer folder.Close()
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), fewRights+"=1")
	again.ExtraFiles = []*os.File{folder}
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
