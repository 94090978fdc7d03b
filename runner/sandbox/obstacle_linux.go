package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// obstacles are kernel settings that keep users from making namespaces, each
// with the value that does and what mends it.
var obstacles = [...]struct{ file, value, remedy string }{
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for satchel that says userns"},
}

// explainWords explains what the other process has told as words.
func explainWords(err error) error {
	for _, no := range []unix.Errno{unix.EPERM, unix.EACCES} {
		if strings.Contains(err.Error(), no.Error()) {
			return explain(refusal{err, no})
		}
	}
	return err
}

// refusal is an error with its number found again.
type refusal struct {
	error
	number unix.Errno
}

func (r refusal) Unwrap() error { return r.number }

// explain adds the way out to the errors that a machine's settings cause.
func explain(err error) error {
	if errors.Is(err, unix.ENOSPC) && os.Geteuid() == 0 {
		return fmt.Errorf("%w (too many namespaces: see /proc/sys/user)", err)
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	for _, o := range obstacles {
		if text, rerr := os.ReadFile(o.file); rerr == nil && strings.TrimSpace(string(text)) == o.value {
			return fmt.Errorf("%w (%s is %s here: as root, %s; or run as root, or use --engine docker)", err, o.file, o.value, o.remedy)
		}
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w (this machine does not let users make namespaces: run as root, or use --engine docker)", err)
	}
	return fmt.Errorf("%w (this root may not make namespaces: a container around it forbids it; run outside of it, or use --engine docker)", err)
}
