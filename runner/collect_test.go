package runner

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
)

// tarOf packs headers; a regular file's content is its Linkname.
func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func folder(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content}
}
func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	c, err := newCollector(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := tarOf(t, folder("out/"), file("out/b", "two"), folder("out/sub/"), file("out/sub/a", "one"), link("out/l", "sub/a"), link("out/d", "sub"))
	second := tarOf(t, folder("out/"), file("out/b", "two"), file("out/c", "three"))
	for i, b := range [][]byte{first, second} {
		if err := c.take([]string{"one", "two"}[i], bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.list("out")
	if err != nil {
		t.Fatal(err)
	}
	want := []manifest.FileSum{
		{SHA256: manifest.Sum([]byte("two")), Path: "b"},
		{SHA256: manifest.Sum([]byte("three")), Path: "c"},
		{SHA256: manifest.Sum([]byte("one")), Path: "l"},
		{SHA256: manifest.Sum([]byte("one")), Path: "sub/a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out/l")); err != nil || string(b) != "one" {
		t.Errorf("through the link: %q, %v", b, err)
	}
}

// TestCollectRefuses: what a hostile container sends is refused, and nothing
// appears outside the result folder.
func TestCollectRefuses(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"up":                   {file("out/../../evil", "x")},
		"absolute":             {file("/out/evil", "x")},
		"elsewhere":            {file("logs/evil", "x")},
		"top is a file":        {file("out", "x")},
		"no folder before":     {file("out/a/b", "x")},
		"dot":                  {folder("out/"), file("out/./a", "x")},
		"space":                {folder("out/"), file("out/a b", "x")},
		"newline":              {folder("out/"), file("out/a\nb", "x")},
		"link up":              {folder("out/"), link("out/l", "../../etc/passwd")},
		"link absolute":        {folder("out/"), link("out/l", "/etc/passwd")},
		"link to the top":      {folder("out/"), link("out/l", "..")},
		"through a link":       {folder("out/"), folder("out/d/"), link("out/l", "d"), file("out/l/f", "x")},
		"over a link":          {folder("out/"), link("out/l", "victim"), file("out/l", "x")},
		"folder over file":     {folder("out/"), file("out/a", "x"), folder("out/a/")},
		"hard link":            {folder("out/"), {Typeflag: tar.TypeLink, Name: "out/h", Linkname: "/etc/passwd"}},
		"device":               {folder("out/"), {Typeflag: tar.TypeChar, Name: "out/null", Devmajor: 1, Devminor: 3}},
		"fifo":                 {folder("out/"), {Typeflag: tar.TypeFifo, Name: "out/p"}},
		"same name, not equal": {folder("out/"), file("out/a", "x"), file("out/a", "y")},
		"two links, not equal": {folder("out/"), file("out/a", "x"), file("out/b", "x"), link("out/l", "a"), link("out/l", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "result")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c, err := newCollector(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.take("t", bytes.NewReader(tarOf(t, entries...))); err == nil {
				t.Error("it was taken")
			}
			left, err := os.ReadDir(outer)
			if err != nil || len(left) != 1 {
				t.Errorf("outside the result there is %v, %v", left, err)
			}
		})
	}
}

// TestCollectMode: no setuid bit, readable by all, and executable as it was.
func TestCollectMode(t *testing.T) {
	dir := t.TempDir()
	c, err := newCollector(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := file("out/a", "x")
	h.Mode = 0o6777
	if err := c.take("t", bytes.NewReader(tarOf(t, folder("out/"), h, tar.Header{Typeflag: tar.TypeReg, Name: "out/b", Linkname: "y", Mode: 0o600}))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"out/a": 0o755, "out/b": 0o644} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, fi.Mode(), want)
		}
	}
}

// TestCollectCut: a stream that ends early is an error, wherever it ends.
func TestCollectCut(t *testing.T) {
	whole := tarOf(t, folder("out/"), file("out/a", strings.Repeat("x", 700)), file("out/b", "y"))
	for n := 1; n < len(whole); n += 97 {
		c, err := newCollector(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		err = c.take("t", bytes.NewReader(whole[:n]))
		c.Close()
		if err == nil {
			t.Errorf("cut at %d was taken", n)
		}
	}
}

func FuzzCollect(f *testing.F) {
	f.Add([]byte("out/a"), []byte("x"), byte(tar.TypeReg))
	f.Add([]byte("out/l"), []byte("../x"), byte(tar.TypeSymlink))
	f.Fuzz(func(t *testing.T, name, to []byte, kind byte) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range []tar.Header{{Typeflag: tar.TypeDir, Name: "out/", Mode: 0o755}, {Typeflag: kind, Name: string(name), Linkname: string(to)}, {Typeflag: tar.TypeReg, Name: string(name) + "/f"}} {
			if w.WriteHeader(&h) != nil {
				return
			}
		}
		w.Close()
		outer := t.TempDir()
		dir := filepath.Join(outer, "result")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		c, err := newCollector(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.take("t", &b)
		if left, _ := os.ReadDir(outer); len(left) != 1 {
			t.Fatalf("outside the result there is %v", left)
		}
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				t.Fatal(err)
			}
			if d.Type()&fs.ModeSymlink != 0 {
				real, err := filepath.EvalSymlinks(p)
				if err == nil && !strings.HasPrefix(real, filepath.Join(dir, "out")) {
					t.Fatalf("%s leads to %s", p, real)
				}
			}
			return nil
		})
	})
}
