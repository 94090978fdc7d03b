package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"satchel/manifest"
)

// failsAt is a writer that takes n bytes and then fails.
type failsAt struct{ n int64 }

var errFull = errors.New("disk full")

func (f *failsAt) Write(p []byte) (int, error) {
	if int64(len(p)) > f.n {
		n := f.n
		f.n = 0
		return int(n), errFull
	}
	f.n -= int64(len(p))
	return len(p), nil
}

func TestWriterFailsAtEveryByte(t *testing.T) {
	fix := newFixture(t)
	size := int64(len(fix.write(t)))
	step := int64(101)
	if full() {
		step = 1
	}
	for k := int64(0); k < size; k += step {
		if _, err := Write(t.Context(), &failsAt{k}, fix.lock, fix.blobs, nil, nil); !errors.Is(err, errFull) {
			t.Fatalf("failing at byte %d: got %v", k, err)
		}
	}
	if _, err := Write(t.Context(), &failsAt{size}, fix.lock, fix.blobs, nil, nil); err != nil {
		t.Errorf("a writer that has room: got %v", err)
	}
}

// onlyFiles checks what is in a folder.
func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Fatalf("the folder holds %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the folder holds %q, want %q", got, want)
		}
	}
}

// TestReplaceFails: whatever fails while a file is made, the old one stays and
// nothing else is left.
func TestReplaceFails(t *testing.T) {
	fix := newFixture(t)
	data := fix.write(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.satchel")
	for _, before := range []string{"", "the old one"} {
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for k := int64(0); k < int64(len(data)); k += 997 {
			err := replace(path, func(f *os.File) error {
				w := io.MultiWriter(&failsAt{k}, f)
				_, err := Write(t.Context(), w, fix.lock, fix.blobs, nil, nil)
				return err
			})
			if !errors.Is(err, errFull) {
				t.Fatalf("failing at byte %d: got %v", k, err)
			}
		}
		if before == "" {
			onlyFiles(t, dir)
			continue
		}
		onlyFiles(t, dir, "a.satchel")
		if got, _ := os.ReadFile(path); string(got) != before {
			t.Errorf("the old file is %q now", got)
		}
	}
	id, err := Create(t.Context(), path, fix.lock, fix.blobs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	onlyFiles(t, dir, "a.satchel")
	got, _ := os.ReadFile(path)
	if !bytes.Equal(got, data) || id != open(t, data).Identity() {
		t.Error("Create and Write differ")
	}
	if info, _ := os.Stat(path); info.Mode() != 0o644 {
		t.Errorf("got mode %v, want 0644", info.Mode())
	}
}

func TestCreateNowhere(t *testing.T) {
	fix := newFixture(t)
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "no", "a.satchel"), fix.lock, fix.blobs, nil, nil); err == nil {
		t.Error("a bundle is made in a folder that is not there")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.satchel"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), filepath.Join(dir, "a.satchel"), fix.lock, fix.blobs, nil, nil); err == nil {
		t.Error("a folder is replaced by a bundle")
	}
	onlyFiles(t, dir, "a.satchel")
}

// badSource answers for one blob something else.
type badSource struct {
	memory
	bad    manifest.Digest
	answer func() (io.ReadCloser, error)
}

func (s badSource) Open(b manifest.Blob) (io.ReadCloser, error) {
	if b.SHA256 == s.bad {
		return s.answer()
	}
	return s.memory.Open(b)
}

func TestBadSource(t *testing.T) {
	fix := newFixture(t)
	pkg := fix.lock.Targets[0].Packages[1]
	content := fix.blobs[pkg.SHA256]
	errDisk := errors.New("bad sector")
	tests := map[string]struct {
		answer func() (io.ReadCloser, error)
		want   error
	}{
		"changed": {func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(append([]byte{'?'}, content[1:]...))), nil
		}, ErrCorrupt},
		"short": {func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content[1:])), nil }, ErrCorrupt},
		"long":  {func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(append(content, 0))), nil }, ErrCorrupt},
		"empty": {func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil }, ErrCorrupt},
		"broken": {func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(content[:3]), broken{errDisk})), nil
		}, errDisk},
		"closed": {func() (io.ReadCloser, error) { return nil, errDisk }, errDisk},
		"gone":   {func() (io.ReadCloser, error) { return nil, os.ErrNotExist }, ErrMissing},
	}
	dir := t.TempDir()
	for name, tt := range tests {
		src := badSource{fix.blobs, pkg.SHA256, tt.answer}
		if _, err := Create(t.Context(), filepath.Join(dir, "a"), fix.lock, src, nil, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		onlyFiles(t, dir)
	}
	few := memory{}
	_, err := Write(t.Context(), io.Discard, fix.lock, few, nil, nil)
	var m *MissingError
	if !errors.As(err, &m) || len(m.Blobs) != len(fix.blobs)-1 { // the empty config needs no source
		t.Errorf("from an empty source: got %v, want all %d blobs missing", err, len(fix.blobs)-1)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestCancelled(t *testing.T) {
	fix := newFixture(t)
	data := fix.write(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Create(ctx, filepath.Join(dir, "a"), fix.lock, fix.blobs, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: got %v", err)
	}
	onlyFiles(t, dir)
	if v, _, err := open(t, data).Verify(ctx, Policy{Unsigned: true}, nil); v != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: got %v", err)
	}
	if v, _, err := VerifyStream(ctx, bytes.NewReader(data), Policy{Unsigned: true}, memory{}, nil); v != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyStream: got %v", err)
	}
	s, _ := keyPair(t)
	if _, err := s.Sign(ctx, SignatureNamespace, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Sign: got %v", err)
	}
}

// sum is a Progress.
type sum struct {
	t     *testing.T
	total int64
	ch    chan int64
}

func (s *sum) Total(n int64) { s.total = n }
func (s *sum) Add(n int64)   { s.ch <- n }

func TestProgress(t *testing.T) {
	fix := newFixture(t)
	data := fix.write(t)
	check := func(what string, work func(Progress) error) {
		t.Helper()
		p := &sum{t: t, ch: make(chan int64, 10000)}
		if err := work(p); err != nil {
			t.Fatal(err)
		}
		close(p.ch)
		n := int64(0)
		for v := range p.ch {
			n += v
		}
		if n != int64(len(data)) || p.total != n {
			t.Errorf("%s: told of %d of %d bytes, want %d", what, n, p.total, len(data))
		}
	}
	check("Write", func(p Progress) error {
		_, err := Write(t.Context(), io.Discard, fix.lock, fix.blobs, nil, p)
		return err
	})
	check("Verify", func(p Progress) error {
		_, _, err := open(t, data).Verify(t.Context(), Policy{Unsigned: true}, p)
		return err
	})
	check("VerifyStream", func(p Progress) error {
		_, _, err := VerifyStream(t.Context(), bytes.NewReader(data), Policy{Unsigned: true}, memory{}, p)
		return err
	})
}

// TestMediumChangesItsMind: what was verified and then reads differently is
// noticed while it is read.
func TestMediumChangesItsMind(t *testing.T) {
	fix := newFixture(t)
	data := fix.write(t)
	f := open(t, data)
	v, _, err := f.Verify(t.Context(), Policy{Unsigned: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pkg := fix.lock.Targets[0].Packages[2]
	at := v.entries[pkg.SHA256].data()
	data[at+5] ^= 1
	rc, err := v.Open(pkg.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("got %v, want ErrDigest", err)
	}
}

// raw is a memory that checks what it gives, unless it need not.
type raw struct {
	memory
	mu      sync.Mutex
	checked []manifest.Blob
}

func (r *raw) Open(b manifest.Blob) (io.ReadCloser, error) {
	rc, err := r.memory.Open(b)
	return readCloser{unread{}, rc}, err // only the presence of a blob is asked here
}

func (r *raw) Raw(b manifest.Blob) (io.ReadCloser, error) { return r.memory.Open(b) }

var errEvicted = errors.New("evicted")

func (r *raw) Check(_ context.Context, b manifest.Blob) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checked = append(r.checked, b)
	return errEvicted
}

type readCloser struct {
	io.Reader
	io.Closer
}

type unread struct{}

func (unread) Read([]byte) (int, error) { return 0, errors.New("read although it need not be") }

// A source that checks its bytes is read unchecked, for they are checked here;
// and it is told what is wrong. Writing to a file gives the bytes of writing to
// a pipe.
func TestRawSource(t *testing.T) {
	fix := newFixture(t)
	src := &raw{memory: fix.blobs}
	var pipe bytes.Buffer
	id, err := Write(t.Context(), &pipe, fix.lock, src, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.satchel")
	id2, err := Create(t.Context(), file, fix.lock, src, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, pipe.Bytes()) || id != id2 {
		t.Errorf("Create gives %d bytes of %s, Write %d of %s; %v", len(got), id2, pipe.Len(), id, err)
	}
	if len(src.checked) != 0 {
		t.Errorf("checked %v", src.checked)
	}
	bad := fix.lock.Targets[0].Packages[0].Blob
	wrong := bytes.Repeat([]byte{7}, int(bad.Size))
	fix.blobs[bad.SHA256] = wrong
	for name, write := range map[string]func() error{
		"Write": func() error {
			_, err := Write(t.Context(), io.Discard, fix.lock, src, nil, nil)
			return err
		},
		"Create": func() error {
			_, err := Create(t.Context(), file, fix.lock, src, nil, nil)
			return err
		},
	} {
		src.checked = nil
		err := write()
		if !errors.Is(err, ErrCorrupt) || !errors.Is(err, errEvicted) || len(src.checked) != 1 || src.checked[0] != bad {
			t.Errorf("%s: got %v, told of %v", name, err, src.checked)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, pipe.Bytes()) {
		t.Errorf("the old bundle is not what it was: %d bytes, %v", len(got), err)
	}
}
