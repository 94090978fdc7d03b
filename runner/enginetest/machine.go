package enginetest

import (
	"os"
	"os/exec"
	"testing"
)

// InMachine runs a command in a virtual machine with another kernel, in a copy of dir, and
// returns what it prints (scripts/in-vm says more). The test's folder must be two below the
// checkout's.
func InMachine(t testing.TB, dir string, command ...string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make the machine's disk")
	}
	out, err := exec.Command("../../scripts/in-vm", append([]string{dir}, command...)...).CombinedOutput()
	return string(out), err
}
