package sandbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// checkKernel reports what of the kernel is missing.
func checkKernel() error {
	names := []string{"mnt", "pid", "ipc", "uts", "net"}
	if !privileged() {
		names = append(names, "user")
	}
	for _, name := range names {
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
