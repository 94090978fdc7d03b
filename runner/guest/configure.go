//go:build linux

package guest

import (
	"context"
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
var scriptEnv = []string{
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
	if s.file("preinst") == nil {
		return nil
	}
	const dir = adminDir + "/tmp.ci" // where debconf looks for the other files
	if err := r.tree.mkdirs(dir); err != nil {
		return err
	}
	defer os.RemoveAll(r.tree.at(dir))
	if err := r.tree.write(dir+"/control", s.control.Text, 0o644); err != nil {
		return err
	}
	for _, f := range s.files {
		if err := r.tree.write(dir+"/"+f.Name, f.Content, os.FileMode(f.Mode&0o755)); err != nil {
			return err
		}
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
	if err := r.run(ctx, env, "/"+dir+"/preinst", "install"); err != nil {
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

// addSources appends to apt's list of sources, as gitian does; nobody can reach them.
func (r *runner) addSources(lines []string) error {
	const list = "etc/apt/sources.list"
	if len(lines) == 0 {
		return nil
	}
	text, err := r.tree.read(list)
	if err != nil {
		return err
	}
	if err := r.tree.mkdirs("etc/apt"); err != nil {
		return err
	}
	for _, l := range lines {
		if strings.ContainsAny(l, "\n\x00") {
			return fmt.Errorf("adding source %q: it is more than a line", clip(l, 200))
		}
		text = append(text, l+"\n"...)
	}
	return r.tree.write(list, text, 0o644)
}

// generateLocale makes en_US.UTF-8 where a package brings what that takes
// (Debian's locales; Ubuntu's language packs do it themselves).
func (r *runner) generateLocale(ctx context.Context) error {
	const gen = "etc/locale.gen"
	if !r.hasLocales() {
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

func (r *runner) hasLocales() bool {
	return r.tree.exists("usr/sbin/locale-gen") && r.tree.exists("usr/share/i18n/locales/en_US")
}
