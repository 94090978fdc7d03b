//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/runner/guest/watch"
)

// runShell does what runBuild does, up to the script; in its place bash reads
// what the host sends on after the inputs. Nothing is collected.
func runShell(ctx context.Context, s *Shell, in *tar.Reader, rest io.Reader, frames *Frames) Outcome {
	return offline(ctx, &s.Build, func(asked *asked) (int, error) { return s.placeAndOpen(ctx, in, rest, frames, asked) })
}

func (s *Shell) placeAndOpen(ctx context.Context, in *tar.Reader, rest io.Reader, frames *Frames, asked *asked) (int, error) {
	if s.Placed {
		if err := endOfPlan(in); err != nil {
			return 0, err
		}
	} else if err := place(ctx, &s.Build, in, frames); err != nil {
		return 0, err
	}
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	env := s.Build.Env
	if t := s.Terminal; t != nil {
		if knownTerminal("/", t.Type) {
			env = append(slices.Clone(env), "TERM="+t.Type)
		} else {
			frames.Step("The environment knows no terminal %q: TERM is not set", clip(t.Type, 80))
		}
	}
	return s.open(ctx, env, rest, frames, asked)
}

// ready does what comes before the shell: its script's file, and what bash reads first.
func (s *Shell) ready(ctx context.Context) error {
	b := &s.Build
	err := os.RemoveAll(s.ScriptPath())
	if err == nil {
		err = spool(s.ScriptPath(), strings.NewReader(b.Script))
	}
	if err != nil {
		return fmt.Errorf("placing the script: %w", err)
	}
	if s.Before == "" {
		return nil
	}
	var said bytes.Buffer
	code, err := runAsUser(ctx, b, userCommand{argv: []string{"/bin/bash", "-e"}, dir: b.Home, env: b.Env, stdin: strings.NewReader(s.Before), out: &said, sudo: b.Sudo})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit status %d: %s", code, strings.TrimSpace(clip(said.String(), 4<<10)))
	}
	if err != nil {
		return fmt.Errorf("preparing the sources as the script does: %w", err)
	}
	return nil
}

// open starts bash, joins it to the host, and waits for its end.
func (s *Shell) open(ctx context.Context, env []string, rest io.Reader, frames *Frames, asked *asked) (int, error) {
	// Its last lines leave no trace of how it got there.
	prelude, err := memoryFile("prelude", fmt.Sprintf("%sunset BASH_ENV\nexec %d<&-\n", s.Prelude, extraFD))
	if err != nil {
		return 0, fmt.Errorf("opening the shell: %w", err)
	}
	defer prelude.Close()
	argv, env := s.words(env)
	u := userCommand{argv: argv, env: env, dir: s.Build.Home, extra: prelude, sudo: s.Build.Sudo, root: s.Root}
	if fi, err := os.Stat(u.dir); err != nil || !fi.IsDir() {
		u.dir = "/"
	}
	if !s.Root {
		ears, mouth, err := askedPipe()
		if err != nil {
			return 0, err
		}
		defer ears.Close()
		defer mouth.Close()
		u.report = mouth
		u.started = func(pid int) (func(), error) { return asked.listen(ears, watch.Process{Pid: pid}, func(int, int) {}) }
	}
	j, err := s.join()
	if err != nil {
		return 0, fmt.Errorf("opening the shell: %w", err)
	}
	defer j.close()
	return j.run(ctx, u, &s.Build, rest, frames)
}

// words are bash's own: it reads the prelude from extraFD first, as an
// interactive shell does its rcfile, and any other its BASH_ENV.
func (s *Shell) words(env []string) (argv, environ []string) {
	from := fmt.Sprintf("/dev/fd/%d", extraFD)
	switch {
	case len(s.Command) > 0:
		return append([]string{"/bin/bash", "-c", `"$@"`, "/bin/bash"}, s.Command...), append(slices.Clone(env), "BASH_ENV="+from)
	case s.Terminal != nil:
		return []string{"/bin/bash", "--noprofile", "--rcfile", from, "-i"}, env
	}
	return []string{"/bin/bash"}, append(slices.Clone(env), "BASH_ENV="+from)
}

// memoryFile is a file with that text that has no name in the container.
func memoryFile(name, text string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// knownTerminal tells whether the system below root describes a terminal of
// that name: terminfo(5), in the places where Debian has it.
func knownTerminal(root, name string) bool {
	if name == "" || len(name) > 128 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._") != "" || name[0] == '.' {
		return false
	}
	return slices.ContainsFunc([]string{"etc/terminfo", "lib/terminfo", "usr/share/terminfo", "usr/lib/terminfo"}, func(dir string) bool {
		_, err := os.Stat(filepath.Join(root, dir, name[:1], name))
		return err == nil
	})
}

var errInput = errors.New("more input than the window lets through")
