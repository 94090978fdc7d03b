package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// repository is a bare repository of ours that mirrors some refs of one URL.
type repository struct {
	git   string   // program
	dir   string   // the bare repository
	env   []string // complete
	local bool     // file:// and paths may be fetched from
	lock  *os.File
}

// openRepository finds or makes the bare repository for url below opts.Work.
// Only one process at a time has it open; the others wait.
func openRepository(ctx context.Context, url string, local bool, opts Options) (*repository, error) {
	if opts.Work == "" || opts.Git == "" {
		return nil, errors.New("opening work repository: Work and Git must be given")
	}
	work, err := filepath.Abs(opts.Work)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(url))
	r := &repository{git: opts.Git, local: local, dir: filepath.Join(work, hex.EncodeToString(sum[:10])+".git")}
	home := filepath.Join(work, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("opening work repository: %w", err)
	}
	if r.lock, err = lockFile(ctx, r.dir+".lock"); err != nil {
		return nil, fmt.Errorf("opening work repository: %w", err)
	}
	config := filepath.Join(home, filepath.Base(r.dir)+".config")
	if err := writeConfig(config, url, local); err != nil {
		r.close()
		return nil, err
	}
	r.env = environment(opts.Env, home, config, local)
	if err := r.init(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (g *repository) close() { g.lock.Close() }

// init makes the repository unless it is there, and clears away what an
// interrupted run has left.
func (g *repository) init(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(g.dir, "HEAD")); errors.Is(err, fs.ErrNotExist) {
		if _, err := g.run(ctx, "init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--", g.dir); err != nil {
			return fmt.Errorf("making work repository: %w", err)
		}
		return nil
	}
	err := filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "objects":
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(d.Name(), ".lock"): // nobody else is here
			return os.Remove(path)
		}
		return nil
	})
	stale, _ := filepath.Glob(filepath.Join(g.dir, "objects", "pack", "tmp_*"))
	for _, path := range stale {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("clearing work repository %s: %w", g.dir, err)
	}
	return nil
}

// writeConfig writes the only configuration file that git reads besides the
// repository's own. A path that the user named may belong to another user.
func writeConfig(path, url string, local bool) error {
	text := ""
	if local {
		p := strings.TrimPrefix(url, "file://")
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		text = "[safe]\n"
		for _, dir := range []string{p, p + "/.git", p + ".git"} {
			text += "\tdirectory = \"" + quote.Replace(dir) + "\"\n"
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing git configuration: %w", err)
	}
	return nil
}

// environment is the caller's, without what git would take as an order, and
// with what keeps it from asking, guessing and running anything.
func environment(given []string, home, config string, local bool) []string {
	var env []string
	for _, kv := range given {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "GIT_"), name == "HOME", name == "XDG_CONFIG_HOME", name == "TZ",
			name == "LANG", name == "LANGUAGE", strings.HasPrefix(name, "LC_"), name == "SSH_ASKPASS":
		default:
			env = append(env, kv)
		}
	}
	protocols := "https:http:ssh:git"
	if local {
		protocols += ":file"
	}
	return append(env,
		"HOME="+home, "XDG_CONFIG_HOME="+home, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+config, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=false", "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
		"GIT_ALLOW_PROTOCOL="+protocols, "GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0",
	)
}

// settings are given to every git on its command line, where no file can
// override them.
func settings() []string {
	var args []string
	for _, kv := range []string{
		"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.commitGraph=false", "credential.helper=",
		"protocol.ext.allow=never", "protocol.fd.allow=never", "submodule.recurse=false", "fetch.recurseSubmodules=false",
		"transfer.fsckObjects=true", "fetch.fsckObjects=true", "transfer.bundleURI=false", "fetch.writeCommitGraph=false",
		"gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false", "remote.pushDefault=", "fetch.showForcedUpdates=false",
		// Faults that old, honest tools have left in many histories, and that harm nobody.
		"fetch.fsck.zeroPaddedFilemode=ignore", "fetch.fsck.badTimezone=ignore", "fetch.fsck.missingSpaceBeforeDate=ignore",
		"fetch.fsck.missingEmail=ignore", "fetch.fsck.missingSpaceBeforeEmail=ignore", "fetch.fsck.missingNameBeforeEmail=ignore",
	} {
		args = append(args, "-c", kv)
	}
	return args
}

// command prepares a git in the repository. When ctx ends, git and what it has
// started are asked to stop, and killed if they do not.
func (g *repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.git, append(append(settings(), "--git-dir="+g.dir), args...)...)
	cmd.Dir = filepath.Dir(g.dir)
	cmd.Env = g.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs git and returns its standard output.
func (g *repository) run(ctx context.Context, args ...string) ([]byte, error) {
	out, _, err := g.output(ctx, args...)
	return out, err
}

// output is run, and returns what git said besides.
func (g *repository) output(ctx context.Context, args ...string) (out []byte, said string, err error) {
	cmd := g.command(ctx, args...)
	var stdout bytes.Buffer
	var stderr tail
	cmd.Stdout = &limitWriter{w: &stdout, left: maxOutput}
	cmd.Stderr = &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	if err != nil {
		return nil, "", &gitError{verb: args[0], err: err, text: stderr.text()}
	}
	return stdout.Bytes(), stderr.text(), nil
}

// gitError is a git that failed, with its last words.
type gitError struct {
	verb string
	err  error
	text string
}

func (e *gitError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("git %s: %v", e.verb, e.err)
	}
	return fmt.Sprintf("git %s: %v: %s", e.verb, e.err, e.text)
}

func (e *gitError) Unwrap() error { return e.err }

type limitWriter struct {
	w    io.Writer
	left int
}

func (l *limitWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("git writes too much")
	}
	return l.w.Write(p)
}

// lockFile waits until it alone holds the file's lock, which ends with the
// process at the latest.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
