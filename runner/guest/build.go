//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// buildUID and buildGID are those of the build user: the first ordinary user
// of a Debian system, as in gitian's images.
const (
	buildUID = 1000
	buildGID = 1000
)

// homeFolders are made anew below the home directory, as gitian's init-build does.
var homeFolders = [...]string{"install", "out", "build", "cache", "cache/common"}

// runBuild places the inputs below the user's home, runs the script on the
// standard input of bash -x and sends the files of ~/out as a tar stream. A
// script that fails is no error of the build step: its status is in Exit.
func runBuild(ctx context.Context, b *Build, in *tar.Reader, frames *Frames) Outcome {
	v := newVariation(b)
	out := offline(ctx, b, func(asked *asked) (int, error) { return placeAndRun(ctx, b, in, frames, asked, v) })
	out.Unvaried, out.Seen = v.not, v.seen
	return out
}

// offline checks the plan, has names refused and noted while do goes on, and says how that
// ended: its status, what it asked for, and what ran out.
func offline(ctx context.Context, b *Build, do func(*asked) (int, error)) Outcome {
	if err := checkBuild(b); err != nil {
		return Outcome{Error: err.Error()}
	}
	asked := &asked{}
	refuser, err := startRefuser(ctx, asked)
	if err != nil {
		return Outcome{Error: err.Error()}
	}
	defer refuser.Close()
	code, err := do(asked)
	out := Outcome{Exit: code, Wanted: asked.List(), OutOfMemory: counted(oomFiles[:]), OutOfProcesses: counted(refusedFiles[:])}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func placeAndRun(ctx context.Context, b *Build, in *tar.Reader, frames *Frames, asked *asked, v *variation) (int, error) {
	if err := place(ctx, b, in, frames); err != nil {
		return 0, err
	}
	if err := v.prepare(ctx); err != nil {
		return 0, err
	}
	frames.Step("Running build script (log in logs/%s)", b.Log)
	code, err := runScript(ctx, b, frames, asked, v)
	if err != nil || code != 0 {
		return code, err
	}
	frames.Step("Grabbing results from target")
	if b.Cache {
		frames.Step("Grabbing cache from target")
	}
	return 0, sendResults(ctx, b, frames.Writer(KindTar))
}

// place puts the inputs below the user's home, and reads to the end of the stream.
func place(ctx context.Context, b *Build, in *tar.Reader, frames *Frames) error {
	frames.Step("Preparing build environment")
	if err := makeHome(b); err != nil {
		return err
	}
	for i, s := range b.Sources {
		if err := placeSource(ctx, b, i, s, in, frames); err != nil {
			return err
		}
	}
	for i, f := range b.Files {
		if err := placeFile(b, i, f, in); err != nil {
			return err
		}
	}
	if err := placeCache(b, in); err != nil {
		return err
	}
	if !b.Cache { // a cache is the last, and has no count
		if err := endOfPlan(in); err != nil {
			return err
		}
	}
	return allowSudo(b, "/etc/sudoers.d")
}

// allowSudo lets the user's group run everything as root, in the words of gitian.
func allowSudo(b *Build, dir string) error {
	if !b.Sudo {
		return nil
	}
	p := filepath.Join(dir, b.User)
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o440)
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("allowing sudo: the environment has no sudo: name it under packages")
	}
	if err != nil {
		return fmt.Errorf("allowing sudo: %w", err)
	}
	_, err = fmt.Fprintf(f, "%%%s ALL=(ALL) NOPASSWD: ALL\n", b.User)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("allowing sudo: %w", err)
	}
	return nil
}

// checkBuild refuses a plan that would place something outside the home.
func checkBuild(b *Build) error {
	if b.User == "" || !filepath.IsAbs(b.Home) || filepath.Clean(b.Home) != b.Home || b.Home == "/" {
		return fmt.Errorf("reading build plan: bad user %q or home %q", b.User, b.Home)
	}
	for _, s := range b.Sources {
		if !plainName(s.Dir) {
			return fmt.Errorf("reading build plan: source directory %q is not a plain name", s.Dir)
		}
		for _, m := range s.Submodules {
			if !filepath.IsLocal(m.Path) || strings.HasPrefix(m.Path, ".git") {
				return fmt.Errorf("reading build plan: submodule path %q leaves %s", m.Path, s.Dir)
			}
		}
	}
	for _, f := range b.Files {
		if !plainName(f.Name) {
			return fmt.Errorf("reading build plan: file name %q is not a plain name", f.Name)
		}
	}
	return nil
}

// plainName tells whether s is one path element and no option.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && s[0] != '-' && !strings.ContainsAny(s, "/\x00\n")
}

// makeHome makes the user's work folders, empty and the user's own.
func makeHome(b *Build) error {
	for _, d := range homeFolders {
		p := filepath.Join(b.Home, d)
		if err := os.RemoveAll(p); err != nil {
			return fmt.Errorf("clearing %s: %w", p, err)
		}
		if err := makeDir(p); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes p, 0755, owned by the build user.
func makeDir(p string) error {
	if err := os.MkdirAll(p, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", p, err)
	}
	if err := os.Chown(p, buildUID, buildGID); err != nil {
		return fmt.Errorf("making %s: %w", p, err)
	}
	return nil
}

// nextEntry moves in to the entry called name and checks its size.
func nextEntry(in *tar.Reader, name string, size int64) error {
	h, err := in.Next()
	if err == io.EOF {
		return fmt.Errorf("reading inputs: they end before %s", name)
	}
	if err != nil {
		return fmt.Errorf("reading inputs before %s: %w", name, err)
	}
	if h.Typeflag != tar.TypeReg || h.Name != name || size >= 0 && h.Size != size {
		return fmt.Errorf("reading inputs: want %s of %d bytes, got %q of %d", name, size, h.Name, h.Size)
	}
	return nil
}

// endOfPlan checks that nothing follows what the plan names.
func endOfPlan(in *tar.Reader) error {
	h, err := in.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the end of the inputs: %w", err)
	}
	return fmt.Errorf("reading inputs: the plan does not name %q", h.Name)
}

// placeFile writes entry file/i to ~/build.
func placeFile(b *Build, i int, f File, in *tar.Reader) error {
	if err := nextEntry(in, fmt.Sprintf("file/%d", i), f.Size); err != nil {
		return err
	}
	p := filepath.Join(b.Home, "build", f.Name)
	if err := spool(p, f.Verify(in)); err != nil {
		return fmt.Errorf("placing file %s: %w", f.Name, err)
	}
	return nil
}

// spool writes r to the new file p, 0644, owned by the build user. p is gone
// after an error.
func spool(p string, r io.Reader) error {
	w, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	err = errors.Join(err, w.Chmod(0o644), w.Chown(buildUID, buildGID), w.Close())
	if err != nil {
		os.Remove(p)
	}
	return err
}
