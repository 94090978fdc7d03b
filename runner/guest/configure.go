package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// scriptEnv is the whole environment of dpkg and of the packages' scripts.
// TZ is unset, so that times are UTC.
var scriptEnv = [...]string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LC_ALL=C.UTF-8",
	"DEBIAN_FRONTEND=noninteractive",
	"DEBCONF_NONINTERACTIVE_SEEN=true",
}

// policyName is what invoke-rc.d asks before it starts a service; 101 says no.
const policyName = "usr/sbin/policy-rc.d"

const policyText = "#!/bin/sh\nexit 101\n"

// runner runs the new root's own programs. It works in the process's root.
type runner struct {
	tree *tree
	log  io.Writer
}

// run runs a program to its end in the root directory, with nothing to read
// and its output in the install log. The program and all it has started in
// its process group are killed when ctx ends.
func (r *runner) run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = append(scriptEnv[:len(scriptEnv):len(scriptEnv)], env...)
	cmd.Stdout, cmd.Stderr = r.log, r.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("running %s %s: %w", name, clip(strings.Join(args, " "), 200), err)
	}
	return nil
}

// configureAll configures whatever is unpacked.
func (r *runner) configureAll(ctx context.Context) error {
	return r.run(ctx, nil, "/usr/bin/dpkg", "--force-confold", "--force-confdef", "--configure", "-a")
}

// denyServices keeps the packages' scripts from starting services until
// allow is called.
func (r *runner) denyServices() (allow func() error, err error) {
	kept, err := r.tree.read(policyName)
	if err != nil {
		return nil, err
	}
	if err := r.tree.mkdirs("usr/sbin"); err != nil {
		return nil, err
	}
	if err := r.tree.write(policyName, []byte(policyText), 0o755); err != nil {
		return nil, err
	}
	return func() error {
		if len(kept) > 0 {
			return r.tree.write(policyName, kept, 0o755)
		}
		return os.Remove(r.tree.at(policyName))
	}, nil
}

// preinst runs a package's preinst script as dpkg does before it unpacks a
// package for the first time.
func (r *runner) preinst(ctx context.Context, s *staged) error {
	script := s.file("preinst")
	if script == nil {
		return nil
	}
	const name = adminDir + "/tmp.ci/preinst"
	if err := r.tree.mkdirs(adminDir + "/tmp.ci"); err != nil {
		return err
	}
	defer os.RemoveAll(r.tree.at(adminDir + "/tmp.ci"))
	if err := r.tree.write(name, script, 0o755); err != nil {
		return err
	}
	env := []string{
		"DPKG_MAINTSCRIPT_PACKAGE=" + s.Name,
		"DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1",
		"DPKG_MAINTSCRIPT_ARCH=" + s.Architecture,
		"DPKG_MAINTSCRIPT_NAME=preinst",
		"DPKG_MAINTSCRIPT_DEBUG=0",
		"DPKG_ADMINDIR=/" + adminDir,
		"DPKG_ROOT=",
	}
	if err := r.run(ctx, env, "/"+name, "install"); err != nil {
		return fmt.Errorf("unpacking %s: its preinst: %w", s.label(), err)
	}
	return nil
}

// setAlternatives makes the plan's choices.
func (r *runner) setAlternatives(ctx context.Context, choices []Alternative) error {
	for _, a := range choices {
		if strings.HasPrefix(a.Name, "-") || !filepath.IsAbs(a.Path) {
			return fmt.Errorf("setting alternative %q to %q: malformed", clip(a.Name, 80), clip(a.Path, 200))
		}
		if err := r.run(ctx, nil, "/usr/bin/update-alternatives", "--set", a.Name, a.Path); err != nil {
			return fmt.Errorf("setting alternative %s: %w", a.Name, err)
		}
	}
	return nil
}

// generateLocale makes en_US.UTF-8 where a package brings what that takes
// (Debian's locales; Ubuntu's language packs do it themselves).
func (r *runner) generateLocale(ctx context.Context) error {
	const gen = "etc/locale.gen"
	if !r.tree.exists("usr/sbin/locale-gen") || !r.tree.exists("usr/share/i18n/locales/en_US") {
		return nil
	}
	old, err := r.tree.read(gen)
	if err != nil {
		return err
	}
	const line = "en_US.UTF-8 UTF-8"
	var b strings.Builder
	found := false
	for l := range strings.Lines(string(old)) {
		if strings.Trim(l, "# \t\n") == line {
			l, found = line+"\n", true
		}
		b.WriteString(l)
	}
	if !found {
		b.WriteString(line + "\n")
	}
	if err := r.tree.write(gen, []byte(b.String()), 0o644); err != nil {
		return err
	}
	return r.run(ctx, nil, "/usr/sbin/locale-gen")
}

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
		return errors.New("making user " + user + ": the environment has no useradd; add package passwd")
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
