package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"satchel/manifest"
)

// need skips a test whose reference tool is missing, or fails it in CI, where
// all tools must be there.
func need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatalf("%s is not installed, and SATCHEL_CI=1 allows no skip", tool)
		}
		t.Skipf("skipped: %s is not installed", tool)
	}
	return path
}

// memStore keeps blobs in memory.
type memStore struct {
	mu    sync.Mutex
	blobs map[manifest.Digest][]byte
	full  int64 // Add fails after so many bytes; 0: never
}

func newStore() *memStore { return &memStore{blobs: map[manifest.Digest][]byte{}} }

func (s *memStore) Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error) {
	var buf bytes.Buffer
	if s.full > 0 {
		if n, _ := io.CopyN(&buf, r, s.full); n == s.full {
			return manifest.Blob{}, fmt.Errorf("no space left after %d bytes", n)
		}
	}
	n, err := io.Copy(&buf, io.LimitReader(r, limit+1))
	if err != nil {
		return manifest.Blob{}, err
	}
	if n > limit {
		return manifest.Blob{}, fmt.Errorf("more than %d bytes", limit)
	}
	b := manifest.Blob{SHA256: manifest.Sum(buf.Bytes()), Size: int64(buf.Len())}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[b.SHA256] = buf.Bytes()
	return b, nil
}

// repo is a repository made for a test with the system's git.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB) repo {
	r := repo{t, filepath.Join(t.TempDir(), "up")}
	r.run("", "init", "-q", "-b", "master", r.dir)
	return r
}

// git runs git in the repository, at a fixed time, as nobody in particular.
func (r repo) git(args ...string) string { return r.run(r.dir, args...) }

func (r repo) run(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(need(r.t, "git"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=1300000000 +0200",
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org", "GIT_COMMITTER_DATE=1300000100 +0200",
		"GIT_ALLOW_PROTOCOL=file")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r repo) commit(name, text string) string {
	r.t.Helper()
	r.write(name, text)
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "change "+name)
	return r.git("rev-parse", "HEAD")
}

func options(t testing.TB) Options {
	return Options{Work: t.TempDir(), Git: need(t, "git"), Env: []string{"PATH=" + os.Getenv("PATH")}}
}

// unpack gives a pack to git, which must take it with all its checks, and
// returns a bare repository with nothing else in it.
func unpack(t testing.TB, pack []byte) repo {
	t.Helper()
	r := repo{t, filepath.Join(t.TempDir(), "down")}
	r.run("", "init", "-q", "--bare", r.dir)
	cmd := exec.Command(need(t, "git"), "index-pack", "--strict", "--stdin", "--fsck-objects")
	cmd.Dir, cmd.Stdin = r.dir, bytes.NewReader(pack)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git index-pack: %v\n%s", err, out)
	}
	return r
}

// feed runs git with standard input.
func (r repo) feed(stdin []byte, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(need(r.t, "git"), args...)
	cmd.Dir, cmd.Stdin = r.dir, bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
