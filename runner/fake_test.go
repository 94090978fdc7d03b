package runner

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"satchel/manifest"
	"satchel/runner/guest"
)

// fakeEngine prepares nothing, and instead of scripts runs a function.
type fakeEngine struct {
	mu        sync.Mutex
	kept      map[manifest.Digest]Environment
	prepared  int
	builds    []string // Log of each, in the order of starting
	running   int
	most      int // that ran at the same time
	limits    []int64
	left      []Remains // the newest first
	leave     error     // of Leave
	silent    bool      // scripts print nothing
	used      string    // name of remains that are in use
	preparing func()    // called when an environment is prepared; may be nil

	// script gets the names of what lies in the cache, and answers what is in out and
	// cache then, by path, and the script's status.
	script func(b *guest.Build, cache []string) (files map[string]string, exit int)
}

func (e *fakeEngine) Name() string                { return "fake" }
func (e *fakeEngine) Check(context.Context) error { return nil }

func (e *fakeEngine) Environment(_ context.Context, key manifest.Digest) (Environment, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	env, ok := e.kept[key]
	return env, ok, nil
}

func (e *fakeEngine) Start(_ context.Context, c Container) (Process, error) {
	p := &fakeProcess{engine: e, done: make(chan struct{})}
	var in *io.PipeReader
	var out *io.PipeWriter
	in, p.in = io.Pipe()
	p.out, out = io.Pipe()
	e.mu.Lock()
	e.limits = append(e.limits, c.Memory)
	e.mu.Unlock()
	go func() {
		defer close(p.done)
		err := e.guest(in, out)
		out.CloseWithError(err)
		io.Copy(io.Discard, in)
	}()
	return p, nil
}

// guest is what the init does.
func (e *fakeEngine) guest(in io.Reader, w io.Writer) error {
	frames := guest.NewFrames(w)
	tr := tar.NewReader(in)
	if _, err := tr.Next(); err != nil {
		return err
	}
	var plan guest.Plan
	if err := json.NewDecoder(tr).Decode(&plan); err != nil {
		return err
	}
	var cache []string
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(h.Name, "cache/") && h.Typeflag == tar.TypeReg {
			cache = append(cache, h.Name)
		}
	}
	if plan.Prepare != nil {
		if e.preparing != nil {
			e.preparing()
		}
		root := manifest.Sum([]byte(plan.Prepare.Suite))
		fmt.Fprintf(frames.Writer(guest.KindInstallLog), "preparing %s\n", plan.Prepare.Suite)
		return frames.Done(guest.Outcome{Root: &root})
	}
	b := plan.Build
	e.mu.Lock()
	e.builds = append(e.builds, b.Log)
	e.running++
	e.most = max(e.most, e.running)
	e.mu.Unlock()
	files, exit := e.script(b, cache)
	e.mu.Lock()
	e.running--
	e.mu.Unlock()
	if e.silent {
		return frames.Done(guest.Outcome{Exit: exit})
	}
	fmt.Fprintf(frames.Writer(guest.KindBuildLog), "+ building\n%s ends", b.Log)
	if exit == 0 {
		if _, err := frames.Writer(guest.KindTar).Write(tarOfFiles(files)); err != nil {
			return err
		}
	}
	return frames.Done(guest.Outcome{Exit: exit})
}

// tarOfFiles packs out, and cache if something is in it; "-> x" is a link to x.
func tarOfFiles(files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{}
	folder := func(dir string) {
		parts := strings.Split(dir, "/")
		for i := range parts {
			if d := strings.Join(parts[:i+1], "/") + "/"; !made[d] {
				made[d] = true
				w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: 0o755})
			}
		}
	}
	folder("out")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		folder(filepath.Dir(name))
		if to, ok := strings.CutPrefix(files[name], "-> "); ok {
			w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to})
			continue
		}
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(files[name]))})
		io.WriteString(w, files[name])
	}
	w.Close()
	return b.Bytes()
}

type fakeProcess struct {
	engine *fakeEngine
	in     *io.PipeWriter
	out    *io.PipeReader
	done   chan struct{}
}

func (p *fakeProcess) Stdin() io.WriteCloser { return p.in }
func (p *fakeProcess) Stdout() io.Reader     { return p.out }
func (p *fakeProcess) Exhausted() Exhausted  { return Exhausted{} }
func (p *fakeProcess) Wait() (int, error)    { <-p.done; return 0, nil }
func (p *fakeProcess) Close() error          { p.in.Close(); p.out.Close(); return nil }

func (p *fakeProcess) Leave(_ context.Context, r Remains) error {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	if err := r.Check(); err != nil {
		return err
	}
	if p.engine.leave != nil {
		return p.engine.leave
	}
	p.engine.left = slices.Insert(p.engine.left, 0, r)
	return nil
}

func (e *fakeEngine) Remains(context.Context) ([]Remains, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.left), nil
}

func (e *fakeEngine) Forget(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if name == e.used {
		return ErrInUse
	}
	e.left = slices.DeleteFunc(e.left, func(r Remains) bool { return r.Name == name })
	return nil
}

func (p *fakeProcess) Keep(_ context.Context, env Environment) error {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	p.engine.prepared++
	p.engine.kept[env.Key] = env
	return nil
}

// fakeSource gives the descriptor's text for its hash, and zeros for any other.
type fakeSource map[manifest.Digest]string

func (s fakeSource) Open(b manifest.Blob) (io.ReadCloser, error) {
	text, ok := s[b.SHA256]
	if !ok {
		text = strings.Repeat("\x00", int(b.Size))
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// fakeStory remembers all that is told.
type fakeStory struct {
	mu    sync.Mutex
	lines []string
}

func (s *fakeStory) Step(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *fakeStory) all() string { return strings.Join(s.lines, "\n") + "\n" }

// fakeRun is a run of one descriptor, "tool", for some suites, with the lock of the
// specification's worked example around it.
func fakeRun(t *testing.T, more string, suites ...string) (*Run, *fakeEngine, *fakeStory) {
	t.Helper()
	text, err := os.ReadFile("../OFFLINE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	lock, err := manifest.ParseLock("example", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	descriptor := fmt.Sprintf("name: hello\ndistro: debian\nsuites: [%s]\narchitectures: [amd64]\npackages: []\nremotes: []\nfiles: []\n"+
		"reference_datetime: \"2024-01-02 03:04:05\"\n%sscript: |\n  true\n", strings.Join(suites, ", "), more)
	blob := manifest.Blob{SHA256: manifest.Sum([]byte(descriptor)), Size: int64(len(descriptor))}
	lock.Descriptors[0].Blob, lock.Descriptors[0].Files = blob, []manifest.FilePin{}
	target := lock.Targets[0]
	lock.Targets = nil
	for _, s := range suites {
		target.Suite = s
		lock.Targets = append(lock.Targets, target)
	}
	if _, err := lock.Marshal(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	e := &fakeEngine{kept: map[manifest.Digest]Environment{}}
	e.script = func(b *guest.Build, _ []string) (map[string]string, int) {
		return map[string]string{"out/" + b.Log: b.Log, "out/same/x": "x", "out/link": "-> same/x"}, 0
	}
	story := &fakeStory{}
	return &Run{
		Engine: e, Source: fakeSource{blob.SHA256: descriptor}, Lock: lock, Options: Options{Jobs: 2, Memory: 2000},
		Result: filepath.Join(dir, "result"), Scratch: dir, Cache: filepath.Join(dir, "cache"), Story: story,
	}, e, story
}
