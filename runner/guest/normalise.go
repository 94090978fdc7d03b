//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// action is what becomes of a file that differs from one preparation to the next.
type action byte

const (
	keep        action = iota // as it is
	remove                    // the file, and what is below it
	removeFiles               // it, unless it is a directory
	empty                     // its content; the file stays, with its mode and owner
)

// rule is one line of what is done so that an environment is the same
// whenever, wherever and however often it is prepared. Patterns are those of
// path.Match; one that ends in "/**" means everything below, and "**/" at the
// beginning any directory.
type rule struct {
	pattern string
	do      action
	reason  string
}

// rules are applied in order; the first that matches counts.
var rules = [...]rule{
	{"/run/lock", keep, "a directory that /var/lock leads to"},
	{"/run/**", remove, "lives until the next boot"},
	{"/tmp/**", remove, "lives until the next boot"},
	{"/var/tmp/**", remove, "left over by a script"},
	{"/var/log/*.log", remove, "says when what was installed"},
	{"/var/log/apt/*", remove, "says when what was installed"},
	{"/var/log/**", empty, "says when what happened; some have modes that programs rely on"},

	{"/var/lib/dpkg/*-old", remove, "the state before the last step"},
	{"/var/lib/dpkg/tmp.ci", remove, "left over from unpacking"},
	{"/var/lib/dpkg/*.satchel-new", remove, "left over from writing"},
	{"/var/cache/debconf/*-old", remove, "the state before the last step"},
	{"/var/cache/debconf/tmp.ci", remove, "left over from unpacking"},
	{"/etc/passwd-", remove, "the state before the last step"},
	{"/etc/group-", remove, "the state before the last step"},
	{"/etc/shadow-", remove, "the state before the last step"},
	{"/etc/gshadow-", remove, "the state before the last step"},
	{"/etc/subuid-", remove, "the state before the last step"},
	{"/etc/subgid-", remove, "the state before the last step"},

	{"/var/lib/apt/lists/*", removeFiles, "indexes of the machine that made the image"},
	{"/var/lib/apt/lists/*/*", removeFiles, "indexes of the machine that made the image"},
	{"/var/lib/apt/extended_states", keep, "says what was asked for: the same every time"},
	{"/var/cache/apt/*.bin", remove, "made anew, with times of files in it"},
	{"/var/cache/apt/archives/*.deb", remove, "copies of packages"},
	{"/var/cache/apt/archives/partial/*", remove, "copies of packages"},
	{"/var/cache/ldconfig/aux-cache", remove, "has inode numbers and times of change"},
	{"/var/cache/man/**", remove, "has times of files"},
	{"/var/cache/fontconfig/**", remove, "has times of directories"},
	{"/var/lib/systemd/catalog/database", remove, "has an identity drawn at random"},

	{"**/__pycache__/*.cpython-3[0-9].pyc", remove, "constants in an order drawn at random, before Python 3.11"},
	{"**/__pycache__/*.cpython-3[0-9].opt-?.pyc", remove, "constants in an order drawn at random, before Python 3.11"},
	{"**/__pycache__/*.cpython-310.pyc", remove, "constants in an order drawn at random, before Python 3.11"},
	{"**/__pycache__/*.cpython-310.opt-?.pyc", remove, "constants in an order drawn at random, before Python 3.11"},

	{"/etc/machine-id", empty, "names one machine"},
	{"/var/lib/dbus/machine-id", remove, "names one machine"},
	{"/etc/hostid", remove, "names one machine"},
	{"/etc/ssh/ssh_host_*", remove, "keys drawn at random"},
	{"/etc/ssl/private/ssl-cert-snakeoil.key", remove, "a key drawn at random"},
	{"/etc/ssl/certs/ssl-cert-snakeoil.pem", remove, "the certificate of a key drawn at random"},
	{"/var/lib/systemd/random-seed", remove, "drawn at random"},
	{"/var/lib/systemd/credential.secret", remove, "drawn at random"},
	{"/var/lib/urandom/random-seed", remove, "drawn at random"},
	{"/var/lib/ntp/ntp.conf.dhcp", remove, "of one machine's network"},
}

// normalise makes a prepared tree independent of when and where it was made:
// rules, the days in /etc/shadow and the moments in Java's keystore, and all times. time answers the
// modification time a file is to have, given the one it has; directories get
// epoch.
func normalise(ctx context.Context, t *tree, epoch int64, time func(name string, seconds int64) int64) error {
	if err := shadowDays(t, epoch); err != nil {
		return fmt.Errorf("normalising /etc/shadow: %w", err)
	}
	if err := keystoreDates(t, epoch); err != nil {
		return fmt.Errorf("normalising /%s: %w", keystoreName, err)
	}
	if err := errors.Join(os.Chmod(t.at(""), 0o755), os.Lchown(t.at(""), os.Geteuid(), os.Getegid())); err != nil {
		return fmt.Errorf("normalising the root directory: %w", err)
	}
	if err := applyRules(ctx, t); err != nil {
		return fmt.Errorf("normalising: %w", err)
	}
	if err := mountTable(t); err != nil {
		return fmt.Errorf("normalising /etc/mtab: %w", err)
	}
	lines, err := walk(ctx, t.root)
	if err != nil {
		return fmt.Errorf("normalising times: %w", err)
	}
	for i := len(lines) - 1; i >= 0; i-- {
		l := &lines[i]
		want := epoch
		if l.st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			want = time(strings.TrimPrefix(l.name, "/"), l.st.Mtim.Sec)
		}
		if l.st.Mtim.Sec == want && l.st.Mtim.Nsec == 0 {
			continue
		}
		if err := setTime(t.root+l.name, want); err != nil {
			return fmt.Errorf("normalising times: %w", err)
		}
	}
	return nil
}

// mountTable makes the link /etc/mtab where there is none, as Docker does in
// every container that it starts: so the tree has it with every engine.
func mountTable(t *tree) error {
	if _, err := os.Lstat(t.at("etc")); err != nil {
		return nil // a tree without /etc: only tests have one
	}
	err := os.Symlink("/proc/mounts", t.at("etc/mtab"))
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// applyRules walks the tree and does what the first rule that matches says.
func applyRules(ctx context.Context, t *tree) error {
	lines, err := walk(ctx, t.root)
	if err != nil {
		return err
	}
	var gone string
	for i := range lines {
		l := &lines[i]
		if gone != "" && strings.HasPrefix(l.name, gone) {
			continue
		}
		at, isDir := t.root+l.name, l.st.Mode&syscall.S_IFMT == syscall.S_IFDIR
		switch ruleFor(l.name) {
		case remove:
			if err := os.RemoveAll(at); err != nil {
				return err
			}
			gone = l.name + "/"
		case removeFiles:
			if !isDir {
				err = os.Remove(at)
			}
		case empty:
			if l.st.Mode&syscall.S_IFMT == syscall.S_IFREG && l.st.Size > 0 {
				err = os.Truncate(at, 0)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ruleFor(name string) action {
	for _, r := range rules {
		if r.matches(name) {
			return r.do
		}
	}
	return keep
}

func (r rule) matches(name string) bool {
	if top, ok := strings.CutSuffix(r.pattern, "/**"); ok {
		return strings.HasPrefix(name, top+"/")
	}
	pattern := r.pattern
	if tail, ok := strings.CutPrefix(pattern, "**/"); ok {
		pattern = tail
		for n := strings.Count(name, "/") - strings.Count(tail, "/"); n > 0; n-- {
			_, name, _ = strings.Cut(name, "/")
		}
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// shadowDays sets the day of the last change of every password to epoch's.
func shadowDays(t *tree, epoch int64) error {
	const name = "etc/shadow"
	st, err := os.Lstat(t.at(name))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.replace(name, st, func(old []byte) []byte {
		var b strings.Builder
		for l := range strings.Lines(string(old)) {
			f := strings.Split(l, ":")
			if len(f) == 9 && f[2] != "" && f[2] != "0" {
				f[2] = strconv.FormatInt(epoch/86400, 10)
			}
			b.WriteString(strings.Join(f, ":"))
		}
		return []byte(b.String())
	})
}
