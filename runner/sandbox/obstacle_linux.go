package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/runner/probe"
)

// obstacles are kernel settings that keep users from making namespaces, each
// with the value that does and what mends it.
var obstacles = [...]struct{ file, value, setting string }{
	{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
	{apparmorFile, "1", "kernel.apparmor_restrict_unprivileged_userns=0"},
}

// apparmorFile is Ubuntu's: namespaces of users can do nothing but where a
// profile says that they may.
const apparmorFile = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

// untilReboot is what to know of sysctl.
const untilReboot = "until the next start; for good, write it into a file of /etc/sysctl.d"

// profile is the command that lets the program at path make user namespaces.
func profile(path string) probe.Remedy {
	text := `abi <abi/4.0>,\ninclude <tunables/global>\nprofile satchel ` + path + ` flags=(unconfined) { userns, }\n`
	return probe.Remedy{Root: true, System: "debian", Note: "a profile for this satchel alone",
		Command: "printf '" + text + "' > /etc/apparmor.d/satchel && apparmor_parser -r /etc/apparmor.d/satchel"}
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
	root := os.Geteuid() == 0
	if errors.Is(err, unix.ENOSPC) && root {
		return probe.Mend(fmt.Errorf("%w: too many namespaces", err), probe.Advise("see /proc/sys/user for the limits"), otherEngine())
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	for _, o := range obstacles {
		text, rerr := os.ReadFile(o.file)
		if rerr != nil || strings.TrimSpace(string(text)) != o.value {
			continue
		}
		mend := []probe.Remedy{{Command: "sysctl -w " + o.setting, Root: true, Note: untilReboot}}
		if self, serr := os.Executable(); serr == nil && o.file == apparmorFile && plainPath(self) {
			mend = append([]probe.Remedy{profile(self)}, mend...)
		}
		return probe.Mend(fmt.Errorf("%w: %s is %s here", err, o.file, o.value), append(mend, asRoot(), otherEngine())...)
	}
	if self, serr := os.Executable(); serr == nil && unix.Access(self, unix.X_OK) == unix.EACCES {
		r := probe.Advise("let this user run it (chmod 755) where every folder above it may be entered")
		if plainPath(self) {
			r = probe.Remedy{Command: "chmod 755 " + self, Root: true}
		}
		return probe.Mend(fmt.Errorf("%w: this user may not run %s again", err, self), r, otherEngine())
	}
	if !root {
		return probe.Mend(fmt.Errorf("%w: this machine does not let users make namespaces", err), asRoot(), otherEngine())
	}
	return probe.Mend(fmt.Errorf("%w: this root may not make namespaces, a container around it forbids it", err),
		probe.Advise("run satchel outside of that container"), otherEngine())
}

// asRoot and otherEngine are the ways round that there always are.
func asRoot() probe.Remedy      { return probe.Advise("run satchel as root") }
func otherEngine() probe.Remedy { return probe.Advise("use --engine docker") }

// plainPath tells whether a path needs quotes neither in a shell nor in a profile.
func plainPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._+-", r))
	})
}
