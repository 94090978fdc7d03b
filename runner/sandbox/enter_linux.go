package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// enter is what the first process of a daemon's container does before it
// becomes the init. It returns only with an error.
func enter() error {
	if os.Getpid() != 1 {
		return errors.New("this is not the first process of a container")
	}
	if err := noNetwork(); err != nil {
		return err
	}
	unix.Umask(0o022)
	// Podman keeps every image's root folder with this mode.
	if root, err := os.Stat("/"); err == nil && root.Mode().Perm() == 0o555 {
		if err := os.Chmod("/", 0o755); err != nil {
			return err
		}
	}
	if err := evenEtc(); err != nil {
		return err
	}
	if err := new(boot).setLimits(); err != nil {
		return err
	}
	// Without no_new_privs (sudo was allowed) only the daemon could load a
	// filter, and has.
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		if err := loadFilter(); err != nil {
			return err
		}
	}
	return executeInit()
}

// noNetwork is an error if there is an interface besides the loopback one:
// whatever the daemon was asked for, this is what it gave.
func noNetwork() error {
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return fmt.Errorf("looking for networks: %w", err)
	}
	names, err := interfaces(string(text))
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != "lo" && !idle(name) {
			return fmt.Errorf("the container has a network (%q), which it was not to have", name)
		}
	}
	return nil
}

// interfaces reads /proc/net/dev: two lines of headings, then "name: counters".
func interfaces(text string) (names []string, err error) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i < 2 {
			continue
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("looking for networks: /proc/net/dev has a line %.80q", line)
		}
		names = append(names, strings.TrimSpace(name))
	}
	if len(names) == 0 {
		return nil, errors.New("looking for networks: /proc/net/dev is empty")
	}
	return names, nil
}

// idle tells whether an interface is certainly down. Some kernels put tunnel
// ends (tunl0, sit0) into every network namespace; without rights they stay so.
func idle(name string) bool {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return false
	}
	err = unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, request)
	return err == nil && request.Uint16()&unix.IFF_UP == 0
}

// evenEtc gives the files that daemons make the content that the sandbox's
// have. They are mounts, and written in place.
func evenEtc() error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("asking the host name: %w", err)
	}
	for file, text := range etcFiles(name) {
		fd, err := unix.Open("/etc/"+file, unix.O_WRONLY|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // the daemon made none, or not as a file
		}
		f := os.NewFile(uintptr(fd), file)
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("writing /etc/%s: %w", file, err)
		}
	}
	return nil
}
