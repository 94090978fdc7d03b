//go:build linux

package guest

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
)

// evil makes a package "evil" with the given data.
func evil(data ...tar.Header) debtest.Package {
	return debtest.Package{Name: "evil", Data: data}
}

func TestUnpackHostile(t *testing.T) {
	outside := t.TempDir()
	good := debtest.Package{Name: "good", Data: []tar.Header{debtest.Dir("."), debtest.Dir("./dir"), debtest.File("./dir/file")}}
	kind := func(name string, k byte) tar.Header {
		return with(debtest.File(name), func(h *tar.Header) { h.Typeflag = k })
	}
	for _, c := range []struct {
		name     string
		packages []debtest.Package
		want     string
	}{
		{"name leads upwards", []debtest.Package{evil(debtest.File("../escaped"))}, "leads upwards"},
		{"name leads upwards inside", []debtest.Package{evil(debtest.Dir("./a"), debtest.File("./a/../../escaped"))}, "leads upwards"},
		{"name with a newline", []debtest.Package{evil(debtest.File("./a\nb"))}, "not allowed"},
		{"name below proc", []debtest.Package{evil(debtest.File("./proc/x"))}, "container's own"},
		{"name below dev", []debtest.Package{evil(debtest.Dir("./dev"), debtest.File("dev/x"))}, "container's own"},
		{"name of satchel's own", []debtest.Package{evil(debtest.File("./.satchel/init"))}, "container's own"},
		{"link then write, absolute", []debtest.Package{evil(debtest.Link("./out", outside), debtest.File("./out/escaped"))}, "no such file"},
		{"link then write, over two packages", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Link("./out", outside)}}, evil(debtest.File("./out/escaped"))}, "no such file"},
		{"link then write, relative", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Link("./out", "../../../../../.."+outside)}}, evil(debtest.File("./out/escaped"))}, "no such file"},
		{"link into proc", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Dir("./proc"), debtest.Link("./p", "proc")}}, evil(debtest.File("./p/escaped"))}, "container's own"},
		{"link into satchel's own", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Link("./p", ".satchel")}}, evil(debtest.File("./p/init"))}, "container's own"},
		{"link loop", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Link("./a", "b"), debtest.Link("./b", "a")}}, evil(debtest.File("./a/x"))}, "too many"},
		{"directory over link to nothing", []debtest.Package{
			{Name: "good", Data: []tar.Header{debtest.Link("./a", "nowhere")}}, evil(debtest.Dir("./a"))}, "no such file"},
		{"hard link outside", []debtest.Package{evil(debtest.HardLink("./shadow", "../../etc/shadow"))}, "leads upwards"},
		{"hard link to another package's file", []debtest.Package{good, evil(debtest.Dir("./dir"), debtest.HardLink("./mine", "./dir/file"))}, "no earlier file"},
		{"hard link to a link", []debtest.Package{evil(debtest.Link("./l", "/etc/shadow"), debtest.HardLink("./mine", "./l"))}, "no earlier file"},
		{"file twice", []debtest.Package{evil(debtest.File("./a"), debtest.File("a"))}, "twice"},
		{"file, then directory", []debtest.Package{evil(debtest.File("./a"), debtest.Dir("./a"))}, "twice"},
		{"root is a file", []debtest.Package{evil(debtest.File("."))}, "root is not a directory"},
		{"unknown type", []debtest.Package{evil(kind("./a", 'Q'))}, "unknown type"},
		{"file below a file", []debtest.Package{evil(debtest.File("./a"), debtest.File("./a/b"))}, "not a directory"},
		{"another package's file", []debtest.Package{good, evil(debtest.Dir("./dir"), debtest.File("./dir/file"))}, "is also in package good_1_all.deb"},
		{"file in a directory's place", []debtest.Package{good, evil(debtest.File("./dir"))}, "is a directory"},
		{"directory in a file's place", []debtest.Package{good, evil(debtest.Dir("./dir"), debtest.Dir("./dir/file"))}, "is a file"},
		{"empty link", []debtest.Package{evil(debtest.Link("./a", ""))}, "leads nowhere"},
		{"trigger is a path", []debtest.Package{{Name: "evil", Data: []tar.Header{debtest.Dir(".")}, Scripts: map[string]string{"triggers": "interest ../status\n"}}}, "trigger"},
		{"not the package of the plan", []debtest.Package{{Name: "evil", Control: "Package: good\nVersion: 1\nArchitecture: all\n"}}, `Package is "good"`},
		{"not the version of the plan", []debtest.Package{{Name: "evil", Control: "Package: evil\nVersion: 2\nArchitecture: all\n"}}, `Version is "2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, ".satchel"), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := unpackInto(t, root, c.packages...)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "evil_1_all.deb") {
				t.Errorf("got error %v, want one with %q and the package's name", err, c.want)
			}
			for _, dir := range []string{outside, filepath.Dir(root)} {
				if _, err := os.Lstat(filepath.Join(dir, "escaped")); err == nil {
					t.Errorf("something was written to %s", dir)
				}
			}
		})
	}
}

// TestUnpackKeepsWhatFailed: a package that is broken at its end leaves
// nothing in the root.
func TestUnpackKeepsWhatFailed(t *testing.T) {
	root, spool := t.TempDir(), t.TempDir()
	p := debtest.Package{Name: "evil", Compression: ".xz", Data: []tar.Header{debtest.Dir("."), debtest.File("./file")},
		Contents: map[string]string{"./file": strings.Repeat("x", 1<<20)}}
	s := stagedOf(t, spool, 0, p)
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-30] ^= 1
	if err := os.WriteFile(s.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.readControl(); err != nil {
		t.Fatal(err)
	}
	if err := s.stage(t.Context(), 1<<40); err == nil || !strings.Contains(err.Error(), "evil_1_all.deb") {
		t.Errorf("got %v, want an error that names the package", err)
	}
	if names, err := os.ReadDir(root); err != nil || len(names) > 0 {
		t.Errorf("the root has %v, %v", names, err)
	}
}

func TestReplaces(t *testing.T) {
	file := func(name, version, fields, content string) debtest.Package {
		return debtest.Package{Name: name, Version: version, Fields: fields,
			Data: []tar.Header{debtest.Dir("."), debtest.File("./file")}, Contents: map[string]string{"./file": content}}
	}
	for _, c := range []struct{ name, version, fields, want string }{
		{"later replaces earlier", "2", "Replaces: one (<< 2)\n", "two"},
		{"version does not fit", "2", "Replaces: one (<< 1)\n", ""},
		{"another is named", "2", "Replaces: onex, x-one\n", ""},
	} {
		root := t.TempDir()
		_, err := unpackInto(t, root, file("one", "1", "", "one"), file("two", c.version, c.fields, "two"))
		got := ""
		if err == nil {
			got = readAll(t, filepath.Join(root, "file"))
		}
		if got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	root := t.TempDir()
	if _, err := unpackInto(t, root, file("one", "1", "Replaces: two\n", "one"), file("two", "1", "", "two")); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, filepath.Join(root, "file")); got != "one" {
		t.Errorf("earlier replaces later: got %q", got)
	}
	if got := readAll(t, filepath.Join(root, infoDir, "two.list")); got != "/.\n" {
		t.Errorf("its list is %q", got)
	}
}

func TestSharedFilesMustBeTheSame(t *testing.T) {
	p := func(arch, content string) debtest.Package {
		return debtest.Package{Name: "lib", Arch: arch, Fields: "Multi-Arch: same\n",
			Data: []tar.Header{debtest.Dir("."), debtest.File("./doc")}, Contents: map[string]string{"./doc": content}}
	}
	if _, err := unpackInto(t, t.TempDir(), p("amd64", "x"), p("i386", "x")); err != nil {
		t.Error(err)
	}
	_, err := unpackInto(t, t.TempDir(), p("amd64", "x"), p("i386", "y"))
	if err == nil || !strings.Contains(err.Error(), "differs") {
		t.Errorf("got %v, want an error", err)
	}
}

// TestSharedConffileOfAnEarlierWave: a conffile has its name when the package in
// another architecture comes after the first has been configured.
func TestSharedConffileOfAnEarlierWave(t *testing.T) {
	p := func(arch, content string) []debtest.Package {
		return []debtest.Package{{Name: "lib", Arch: arch, Fields: "Multi-Arch: same\n", Scripts: map[string]string{"conffiles": "/conf\n"},
			Data: []tar.Header{debtest.Dir("."), debtest.File("./conf")}, Contents: map[string]string{"./conf": content}}}
	}
	for content, want := range map[string]string{"x": "", "y": "differs"} {
		root := t.TempDir()
		pl, err := unpackInto(t, root, p("amd64", "x")...)
		if err != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(root, "conf")
		if err := os.Rename(conf+newSuffix, conf); err != nil { // as dpkg configures it
			t.Fatal(err)
		}
		err = placeWave(t, pl, p("i386", content))
		if want == "" && (err != nil || readAll(t, conf+newSuffix) != content) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", content, err, want)
		}
	}
}

func FuzzEntryName(f *testing.F) {
	for _, s := range []string{"./usr/bin/x", "/", ".", "../x", "a/../b", "./a//b/", "dev/null", ".satchel/init", "x\ny"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := entryName(s)
		if err != nil {
			return
		}
		if name != "" && !filepath.IsLocal(name) || strings.ContainsAny(name, "\x00\n") || strings.HasPrefix(name, ".satchel") {
			t.Errorf("%q passed as %q", s, name)
		}
		if again, err := entryName(name); err != nil || again != name {
			t.Errorf("%q became %q, then %q, %v", s, name, again, err)
		}
	})
}

func FuzzRelation(f *testing.F) {
	f.Add("libc6 (>= 2.36)", "2.36-9")
	f.Add("a:any (<< 1:2~rc1) [amd64]", "1")
	f.Fuzz(func(t *testing.T, s, v string) {
		r, err := parseRelation(s)
		if err == nil && r.op == "=" && r.version == v && v != "" && strings.Trim(v, "0123456789") == "" && !r.admits(v) {
			t.Errorf("%q does not admit %q", s, v)
		}
		r.admits(v)
		relations(s)
	})
}

func TestParseDiversions(t *testing.T) {
	m, err := parseDiversions([]byte(diversions))
	if err != nil || len(m) != 2 || m["usr/bin/tool"] != (diversion{"usr/bin/tool.distrib", "diverter"}) {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := parseDiversions([]byte("/a\n/b\n")); err == nil {
		t.Error("two lines passed")
	}
}
