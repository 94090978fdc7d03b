package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// settle sets what the container sees of itself besides its files.
func (b *boot) settle() error {
	if err := unix.Sethostname([]byte(b.Hostname)); err != nil {
		return fmt.Errorf("setting host name %q: %w", b.Hostname, err)
	}
	if err := unix.Setdomainname([]byte("(none)")); err != nil { // what the kernel starts with
		return fmt.Errorf("setting domain name: %w", err)
	}
	// Only now is this process in the group whose name is to be hidden.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil && err != unix.EINVAL {
		return fmt.Errorf("leaving the host's control groups: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_PERSONALITY, 0, 0, 0); errno != 0 {
		return fmt.Errorf("setting personality: %w", errno)
	}
	b.grow()
	// When memory runs out on the host, builds go first. Not worth failing for.
	os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	return b.setLimits()
}

// grow makes the machine seem older to the init and what it starts. A kernel that cannot
// (before 5.6) does not: nothing may depend on it.
func (b *boot) grow() {
	if b.Uptime == 0 || unix.Unshare(unix.CLONE_NEWTIME) != nil {
		return
	}
	offsets := fmt.Sprintf("monotonic %d 0\nboottime %d 0\n", b.Uptime, b.Uptime)
	os.WriteFile("/proc/self/timens_offsets", []byte(offsets), 0)
}

// setLimits gives every container the same resource limits, whatever those of
// the shell that satchel was started from.
func (b *boot) setLimits() error {
	const unlimited = unix.RLIM_INFINITY
	want := []struct {
		what       int
		soft, hard uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, 1024, 1 << 19},
		{unix.RLIMIT_STACK, 8 << 20, unlimited},
		{unix.RLIMIT_MEMLOCK, 8 << 20, 8 << 20},
		{unix.RLIMIT_CPU, unlimited, unlimited},
		{unix.RLIMIT_FSIZE, unlimited, unlimited},
		{unix.RLIMIT_DATA, orUnlimited(b.Memory), orUnlimited(b.Memory)},
		{unix.RLIMIT_AS, unlimited, unlimited},
		{unix.RLIMIT_RSS, unlimited, unlimited},
		{unix.RLIMIT_LOCKS, unlimited, unlimited},
		{unix.RLIMIT_NPROC, orUnlimited(b.Processes), orUnlimited(b.Processes)},
		{unix.RLIMIT_NICE, 0, 0},
		{unix.RLIMIT_RTPRIO, 0, 0},
		{unix.RLIMIT_RTTIME, unlimited, unlimited},
	}
	for _, w := range want {
		if err := setLimit(w.what, w.soft, w.hard); err != nil {
			return fmt.Errorf("setting resource limit %d: %w", w.what, err)
		}
	}
	return nil
}

// setLimit sets one limit, or comes as near to it as this user may.
func setLimit(what int, soft, hard uint64) error {
	err := unix.Setrlimit(what, &unix.Rlimit{Cur: soft, Max: hard})
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(what, &now); err != nil {
		return err
	}
	hard = min(hard, now.Max)
	return unix.Setrlimit(what, &unix.Rlimit{Cur: min(soft, hard), Max: hard})
}

func orUnlimited(n int64) uint64 {
	if n <= 0 {
		return unix.RLIM_INFINITY
	}
	return uint64(n)
}

// loopback brings up the one network interface there is. It has 127.0.0.1
// alone, as in Docker: a build sees no IPv6 on any machine.
func loopback() error {
	for _, which := range []string{"all", "default", "lo"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("turning IPv6 off: %w", err)
		}
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bringing the loopback interface up: %w", err)
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bringing the loopback interface up: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bringing the loopback interface up: %w", err)
	}
	return nil
}
