package docker_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/docker"
)

// treeTar is a tar with every kind of file that an environment may have.
func treeTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	when := time.Unix(1234567890, 0)
	for _, h := range []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./home/", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 1000, Gid: 1001},
		{Name: "./home/own", Mode: 0o640, Uid: 1000, Gid: 1001, Size: 1 << 20},
		{Name: "./tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "./usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./usr/bound", Mode: 0o755, Size: 3, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04" + strings.Repeat("\x00", 14)}},
		{Name: "./usr/fifo", Typeflag: tar.TypeFifo, Mode: 0o600},
		{Name: "./usr/hard", Typeflag: tar.TypeLink, Linkname: "./home/own", Mode: 0o640, Uid: 1000, Gid: 1001},
		{Name: "./usr/large-id", Mode: 0o600, Uid: 65534, Gid: 65534},
		{Name: "./usr/soft", Typeflag: tar.TypeSymlink, Linkname: "../../home/own", Mode: 0o777},
		{Name: "./usr/sudo", Mode: 0o4711, Size: 2},
		{Name: "./usr/with\nnewline", Mode: 0o644},
		{Name: "./usr/" + strings.Repeat("long", 60) + "/", Typeflag: tar.TypeDir, Mode: 0o700},
	} {
		h.Format, h.ModTime = tar.FormatPAX, when
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{7}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// told are a tar's entries, a line each, by name; a hard link's is that of the
// file. What a daemon puts into every container is left out, and the dates of
// the two folders that it changes by that.
func told(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	lines := map[string]string{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean("/" + h.Name)
		if top, _, _ := strings.Cut(name[1:], "/"); slices.Contains([]string{".satchel", ".dockerenv", "dev", "proc", "sys"}, top) ||
			slices.Contains([]string{"/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf"}, name) {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			lines[name] = lines[path.Clean("/"+h.Linkname)]
			continue
		}
		when := h.ModTime.Unix()
		if name == "/" || name == "/etc" {
			when = 0
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, tr); err != nil {
			t.Fatal(err)
		}
		lines[name] = fmt.Sprintf("%c %o %d:%d %d to %q capability %x %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, when, h.Linkname,
			h.PAXRecords["SCHILY.xattr.security.capability"], sum.Sum(nil))
	}
}

// An imported environment is the tree that came, and it is there whole or not at all.
func TestImport(t *testing.T) {
	e := newEngine(t, selfCopy(t))
	defer discardAll(t, e)
	ctx := t.Context()
	packed := treeTar(t)
	env := runner.Environment{Key: manifest.Digest{1}, Root: manifest.Digest{2}}
	broken := errors.New("the tree broke off")
	for name, tree := range map[string]io.Reader{
		"nothing":  strings.NewReader(""),
		"cut":      bytes.NewReader(packed[:len(packed)/2]),
		"failed":   io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken)),
		"no tar":   strings.NewReader(strings.Repeat("x", 4096)),
		"end":      io.MultiReader(bytes.NewReader(packed), iotest.ErrReader(broken)),
		"repeated": io.MultiReader(bytes.NewReader(packed[:len(packed)-1024]), bytes.NewReader(packed)),
	} {
		err := e.Import(ctx, env, tree)
		if name == "nothing" { // an empty root, which is no environment, but a whole tar
			err = errors.Join(err, discardEnvironments(t, e))
		}
		if (err == nil) != (name == "nothing") || (name == "failed" || name == "end") && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok, err := e.Environment(ctx, env.Key); ok || err != nil {
			t.Fatalf("%s: there is an environment (%v, %v)", name, ok, err)
		}
	}
	if err := e.Import(ctx, runner.Environment{Key: env.Key}, bytes.NewReader(packed)); err == nil {
		t.Error("an environment of no root was taken")
	}
	for range 2 { // the second finds it there, and reads on
		r := bytes.NewReader(packed)
		if err := e.Import(ctx, env, r); err != nil {
			t.Fatal(err)
		}
		if r.Len() != 0 {
			t.Errorf("%d bytes were not read", r.Len())
		}
	}
	if got, ok, err := e.Environment(ctx, env.Key); got != env || !ok || err != nil {
		t.Errorf("found %v, %v, %v", got, ok, err)
	}
	got, want := exported(t, e), told(t, bytes.NewReader(packed))
	delete(want, "/") // of which no export tells
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q has come from nowhere: %s", name, got[name])
		}
	}
	for name, line := range want {
		if got[name] != line {
			t.Errorf("%q is\n%s\nwant\n%s", name, got[name], line)
		}
	}
	items, err := e.Items(ctx)
	if err != nil || len(items) != 1 || items[0].Kind != "environment" {
		t.Errorf("it has left %+v, %v; want the environment alone", items, err)
	}
}

func discardEnvironments(t *testing.T, e *docker.Engine) error {
	t.Helper()
	items, err := e.Items(t.Context())
	for _, i := range items {
		err = errors.Join(err, e.Discard(t.Context(), i))
	}
	return err
}

// exported is what the daemon gives back of the one environment.
func exported(t *testing.T, e *docker.Engine) map[string]string {
	t.Helper()
	items, err := e.Items(t.Context())
	if err != nil || len(items) == 0 {
		t.Fatalf("%v, %v", items, err)
	}
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	made, err := cli.ContainerCreate(t.Context(), &container.Config{Image: items[0].Name, Cmd: []string{"none"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer cli.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true})
	r, err := cli.ContainerExport(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return told(t, r)
}

// selfCopy is the test's own program in a new place, as the init of an engine of its own.
func selfCopy(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	file := path.Join(t.TempDir(), "init")
	if err := os.WriteFile(file, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}
