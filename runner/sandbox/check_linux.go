package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// checkKernel reports what of the kernel is missing.
func checkKernel() error {
	if os.Geteuid() != 0 {
		return errors.New("the sandbox engine needs root for now: run satchel as root, or use --engine docker")
	}
	for _, name := range []string{"mnt", "pid", "ipc", "uts", "net"} {
		if _, err := os.Stat("/proc/self/ns/" + name); err != nil {
			return fmt.Errorf("this kernel has no %s namespaces (or /proc is not mounted): %w", name, err)
		}
	}
	if _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("this kernel has no system call filters (CONFIG_SECCOMP_FILTER): %w", err)
	}
	_, err := filter()
	return err
}
