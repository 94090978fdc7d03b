package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"
)

// masked are kernel files that show or do what a build has no business with:
// an empty file or folder lies over each that exists.
var masked = [...]string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/iomem", "/proc/ioports", "/proc/kcore", "/proc/keys",
	"/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/mtrr",
	"/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo",
	"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/bpf", "/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing",
}

// readOnly are the parts of /proc that could change the host.
var readOnly = [...]string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// mask hides and protects what /proc and /sys show of the host.
func mask() error {
	for _, path := range masked {
		if err := hide(path); err != nil {
			return err
		}
	}
	for _, path := range readOnly {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil {
			continue // this kernel has none
		}
		if err := mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := restrict(path, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); err != nil {
			return err
		}
	}
	return nil
}

// hide lays something empty over path, if it exists.
func hide(path string) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return mount("hidden", path, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=4k")
	}
	return mount("/dev/null", path, "", unix.MS_BIND, "")
}
