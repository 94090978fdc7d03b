package plan

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror"
	"satchel/aptmirror/archivetest"
	"satchel/bundle/store"
	"satchel/manifest"
)

// sourceWorld is jammy with sources in both of its components.
type sourceWorld struct {
	*archivetest.Archive
	store *store.Store
	pools PoolCache
}

func newSourceWorld(t *testing.T) *sourceWorld {
	w := &sourceWorld{Archive: archivetest.New(t), store: openStore(t), pools: PoolCache{Dir: t.TempDir(), Program: "test"}}
	w.publish(t, "whole")
	return w
}

func (w *sourceWorld) publish(t *testing.T, content string) {
	t.Helper()
	sources := []archivetest.Source{
		{Name: "game", Version: "1-1", Component: "universe", Files: map[string][]byte{"game_1.orig.tar.gz": []byte(content)}},
		{Name: "tool", Version: "1-1", Files: map[string][]byte{"tool_1.orig.tar.gz": []byte("one")}},
		{Name: "tool", Version: "2-1", Files: map[string][]byte{"tool_2.orig.tar.gz": []byte("two")}},
	}
	for _, pocket := range []string{"", "-updates", "-security"} {
		s := archivetest.Suite{Archive: "ubuntu", Name: "jammy" + pocket, Components: []string{"main", "universe"}}
		if pocket == "" {
			s.Sources, s.Packages = sources, []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n")}
		}
		w.Publish(t, s)
	}
}

// lock wants one file of a source package.
func (w *sourceWorld) lock(t *testing.T, file string, from manifest.FileSource) (*manifest.Lock, error) {
	t.Helper()
	d, err := manifest.ParseDescriptor("x.yml", fmt.Appendf(nil, "name: x\nsuites: [jammy]\ndistro: ubuntu\narchitectures: [amd64]\npackages: []\n"+
		"reference_datetime: \"2020-01-01 00:00:00\"\nremotes: []\nfiles: [%s]\nscript: \"true\"\n", file))
	if err != nil {
		t.Fatal(err)
	}
	p := planner(t, w.Archive, w.store, w.pools)
	p.Mirrors.Given = map[string][]string{"ubuntu": {"file://" + w.Dir + "/ubuntu"}}
	return p.Lock(context.Background(), []Request{{Descriptor: d, Settings: &manifest.Settings{Files: map[string]manifest.FileSource{file: from}}, Base: []string{}}})
}

// path is where the file of a lock lies; an error is one, too.
func (w *sourceWorld) path(t *testing.T, file string, from manifest.FileSource) string {
	t.Helper()
	lock, err := w.lock(t, file, from)
	if err != nil {
		return err.Error()
	}
	pinned := ""
	for _, a := range lock.Archives {
		for _, f := range a.Indexes {
			if strings.Contains(f.Path, "/source/") {
				pinned += " " + f.Path
			}
		}
	}
	return lock.Descriptors[0].Files[0].Path + pinned
}

// TestSourceFiles: a file is found in whatever component has its package, and in
// the version that has it; the lock pins the index that says so, and no other.
func TestSourceFiles(t *testing.T) {
	w := newSourceWorld(t)
	for range 2 { // the second time it is known
		for _, c := range []struct {
			file, source, version, want string
		}{
			{"game_1.orig.tar.gz", "game", "", "pool/universe/g/game/game_1.orig.tar.gz universe/source/Sources.gz"},
			{"tool_2.orig.tar.gz", "tool", "", "pool/main/t/tool/tool_2.orig.tar.gz main/source/Sources.gz"},
			{"tool_1.orig.tar.gz", "tool", "", "pool/main/t/tool/tool_1.orig.tar.gz main/source/Sources.gz"},
			{"tool_1.orig.tar.gz", "tool", "1-1", "pool/main/t/tool/tool_1.orig.tar.gz main/source/Sources.gz"},
			{"tool_1.orig.tar.gz", "tool", "2-1", `there is no version "2-1" with a file "tool_1.orig.tar.gz"; there is 1-1, 2-1`},
			{"tool_3.orig.tar.gz", "tool", "", `no version has a file "tool_3.orig.tar.gz"; there is 1-1, 2-1`},
			{"gone.tar.gz", "gone", "", `source package "gone" in ubuntu/jammy universe/source/Sources.gz: it is not there`},
		} {
			if got := w.path(t, c.file, manifest.FileSource{SourcePackage: c.source, Version: c.version}); got != c.want && !strings.Contains(got, c.want+"\n") {
				t.Errorf("%s of %s %q: got\n%s\nwant\n%s", c.file, c.source, c.version, got, c.want)
			}
		}
	}
}

// TestSourcesAreKept: what an index has said is taken from the cache; but a
// damaged answer, that of another program, and that of an older index are not.
func TestSourcesAreKept(t *testing.T) {
	w := newSourceWorld(t)
	const file = "game_1.orig.tar.gz"
	game := manifest.FileSource{SourcePackage: "game"}
	sound := "pool/universe/g/game/" + file + " universe/source/Sources.gz"
	said := func() (name string, data []byte) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(w.pools.Dir, "*"+sourceSuffix))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if data, err = os.ReadFile(n); err == nil && bytes.Contains(data, []byte("pool/universe")) {
				return n, data
			}
		}
		t.Fatalf("none of %q is about %s", names, file)
		return "", nil
	}
	want := func(what, want string) {
		t.Helper()
		if got := w.path(t, file, game); got != want && !strings.Contains(got, want+"\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
		}
	}
	want("the first time", sound)
	name, data := said()
	_, doc, _ := bytes.Cut(data, []byte("\n"))
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := bytes.ReplaceAll(doc, []byte("pool/universe/g"), []byte("pool/universe/h"))
	forged := append([]byte(manifest.Sum(other).Hex()+"\n"), other...)
	write(forged)
	want("another answer", "pool/universe/h/game/"+file+" universe/source/Sources.gz")
	w.pools.Program = "other"
	want("another program", sound)
	w.pools.Program = "test"
	for what, data := range map[string][]byte{"damaged": bytes.Replace(forged, []byte("pool"), []byte("poll"), 1), "short": data[:70], "empty": nil} {
		write(data)
		want(what, sound)
	}
	if _, again := said(); len(again) == 0 {
		t.Error("a damaged answer is not replaced")
	}
	before, err := w.lock(t, file, game)
	if err != nil {
		t.Fatal(err)
	}
	w.publish(t, "others")
	after, err := w.lock(t, file, game)
	if err != nil {
		t.Fatal(err)
	}
	if before.Descriptors[0].Files[0].Blob == after.Descriptors[0].Files[0].Blob {
		t.Error("an answer of the index of yesterday is taken for today's")
	}
}

// TestSourcesAreBounded: the oldest answers go, and no pool goes for them.
func TestSourcesAreBounded(t *testing.T) {
	w := newSourceWorld(t)
	if _, err := w.lock(t, "game_1.orig.tar.gz", manifest.FileSource{SourcePackage: "game"}); err != nil {
		t.Fatal(err)
	}
	for i := range maxSources + 3 {
		if err := w.pools.keepSource(fmt.Sprint(i), aptmirror.Source{Name: "x"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	files, err := w.pools.Files()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range files {
		kinds[filepath.Ext(f.Name)]++
	}
	if kinds[sourceSuffix] != maxSources || kinds[poolSuffix] != 1 || len(kinds) != 2 {
		t.Errorf("there are %v", kinds)
	}
	if _, known, _ := w.pools.knownSource(fmt.Sprint(maxSources + 2)); !known {
		t.Error("the newest is gone")
	}
}
