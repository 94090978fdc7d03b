//go:build linux

package guest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// addUser makes the build user as useradd -m does: uid and gid 1000, a group
// of its own, bash, a home from /etc/skel.
func (r *runner) addUser(ctx context.Context, user string) error {
	if user == "" || user == "root" {
		return nil
	}
	if !isUserName(user) {
		return fmt.Errorf("making user %q: not a user name", clip(user, 80))
	}
	passwd, err := r.tree.read("etc/passwd")
	if err != nil {
		return err
	}
	ids := parseIDs(passwd)
	if id, ok := ids[user]; ok {
		if id != buildUID {
			return fmt.Errorf("making user %s: the base system has one already, with uid %d", user, id)
		}
		return nil
	}
	for name, id := range ids {
		if id == buildUID {
			return fmt.Errorf("making user %s: uid %d is %s's in the base system", user, buildUID, name)
		}
	}
	if !r.tree.exists("usr/sbin/useradd") {
		return r.writeUser(user)
	}
	return r.run(ctx, nil, "/usr/sbin/useradd", "-m", "-U", "-u", fmt.Sprint(buildUID),
		"-s", "/bin/bash", "-d", "/home/"+user, user)
}

func isUserName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// writeUser does by hand what useradd does, for a base system without it.
func (r *runner) writeUser(user string) error {
	home, password := "home/"+user, "x"
	if !r.tree.exists("etc/shadow") { // an x without a shadow entry would be no account at all
		password = "!"
	}
	lines := []struct{ file, line string }{
		{"etc/passwd", fmt.Sprintf("%s:%s:%d:%d::/%s:/bin/bash", user, password, buildUID, buildGID, home)},
		{"etc/group", fmt.Sprintf("%s:x:%d:", user, buildGID)},
		{"etc/shadow", user + ":!:1:0:99999:7:::"}, // the day is normalised
		{"etc/gshadow", user + ":!::"},
	}
	for _, l := range lines {
		st, err := os.Lstat(r.tree.at(l.file))
		if os.IsNotExist(err) {
			continue // no shadow passwords here
		}
		if err != nil {
			return fmt.Errorf("making user %s: %w", user, err)
		}
		if err := r.tree.replace(l.file, st, func(old []byte) []byte {
			return append(old, l.line+"\n"...)
		}); err != nil {
			return fmt.Errorf("making user %s: %w", user, err)
		}
	}
	if err := r.copySkeleton(home); err != nil {
		return fmt.Errorf("making user %s: %w", user, err)
	}
	return nil
}

// homeMode is what login.defs(5) says of new home directories.
func (r *runner) homeMode() (os.FileMode, error) {
	defs, err := r.tree.read("etc/login.defs")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(defs)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "HOME_MODE" {
			mode, err := strconv.ParseUint(f[1], 8, 9)
			if err != nil {
				return 0, fmt.Errorf("reading login.defs: %w", err)
			}
			return os.FileMode(mode), nil
		}
	}
	return 0o755, nil
}

// copySkeleton makes a home directory of /etc/skel's files.
func (r *runner) copySkeleton(home string) error {
	if err := r.tree.mkdirs(home); err != nil {
		return err
	}
	skel, top := r.tree.at("etc/skel"), r.tree.at(home)
	err := filepath.WalkDir(skel, func(p string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(skel, p)
		to := filepath.Join(top, rel)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case p == skel:
			return nil
		case d.IsDir():
			err = os.Mkdir(to, fi.Mode().Perm())
		case fi.Mode()&os.ModeSymlink != 0:
			var target string
			if target, err = os.Readlink(p); err == nil {
				err = os.Symlink(target, to)
			}
		case fi.Mode().IsRegular():
			var b []byte
			if b, err = os.ReadFile(p); err == nil {
				err = os.WriteFile(to, b, fi.Mode().Perm())
			}
		}
		if err != nil {
			return err
		}
		return os.Lchown(to, buildUID, buildGID)
	})
	if err != nil {
		return err
	}
	mode, err := r.homeMode()
	if err != nil {
		return err
	}
	if err := os.Chmod(top, mode); err != nil {
		return err
	}
	return os.Chown(top, buildUID, buildGID)
}
