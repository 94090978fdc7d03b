package aptconf

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dump writes what apt-config dump writes of names that begin with Zz.
func dump(c *Config) string {
	var b strings.Builder
	var walk func(it *item, above string)
	walk = func(it *item, above string) {
		for _, i := range it.below {
			full := i.tag
			if it != &c.root {
				full = above + "::" + i.tag
			}
			if strings.HasPrefix(full, "Zz") {
				fmt.Fprintf(&b, "%s %q;\n", full, i.value)
			}
			walk(i, full)
		}
	}
	walk(&c.root, "")
	return b.String()
}

// aptDump is what apt makes of a file; ok is whether it takes it.
func aptDump(t *testing.T, text string) (out string, ok bool) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "apt.conf")
	head := "Dir::Etc::parts \"/nonexistent\"; Dir::Etc::main \"/nonexistent\";\n"
	if err := os.WriteFile(name, []byte(head+text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "apt-config", "--format", "%f \x01%v\x02;%n", "dump")
	cmd.Env = append(os.Environ(), "APT_CONFIG="+name, "LC_ALL=C")
	got, err := cmd.Output()
	if ctx.Err() != nil {
		t.Fatalf("apt does not end with %q", text)
	}
	var b strings.Builder
	for _, l := range strings.SplitAfter(string(got), ";\n") {
		tag, rest, _ := strings.Cut(l, " \x01")
		value, _, _ := strings.Cut(rest, "\x02")
		if strings.HasPrefix(tag, "Zz") {
			fmt.Fprintf(&b, "%s %q;\n", tag, value)
		}
	}
	return b.String(), err == nil
}

func compare(t *testing.T, text string) {
	t.Helper()
	c := &Config{}
	err := c.Read(File{"apt.conf", []byte(text)}, nil)
	want, ok := aptDump(t, text)
	if ok != (err == nil) {
		t.Errorf("%q: apt takes it: %v, we say %v", text, ok, err)
	}
	if got := dump(c); ok && got != want {
		t.Errorf("%q\ngot  %s\nwant %s", text, got, want)
	}
}

func needApt(t *testing.T) {
	if _, err := exec.LookPath("apt-config"); err != nil {
		if os.Getenv("SATCHEL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no apt to ask")
	}
}

// TestLikeApt: the forms of apt.conf(5), and its corners.
func TestLikeApt(t *testing.T) {
	needApt(t)
	for _, text := range []string{
		"", "Zz \"1\";", "Zz::a 1;\nZZ::A 2;", "Zz { a \"x\"; b { \"i\"; \"j\"; }; };", "Zz::a:: \"x\"; Zz::a:: \"y\";",
		"Zz { a \"x\"; // one\n # two\n b \"//no\"; /* three */ c \"/*no*/\"; /* four\n five */ d 1; };",
		"Zz::a \"x\"; #clear Zz::a;", "Zz::a:: \"x\"; Zz::b 1; #clear Zz;\nZz::c 1;", "#clear Zz::a", "Zz { #clear Zz; };",
		"Zz \"a\" \"b\";", "Zz \"a\"\n\"b\"\n;", "Zz a b;", "Zz \"a", "Zz { a", "Zz { a 1; }", "Zz::a 1; } } Zz::b 2;", "{ 1; };",
		"Zz::%41%42 1;", "Zz::a %41%4;", "Zz::\"a b\" 1;", "Zz::[a b] 1;", "Zz::a [b c];", "Zz::::a 1;", "Zz::a::::b 1;", "Zz:: {a 1;};",
		"Zz \"x\" { a 1; };", "Zz { \"x\" }", "Zz { x; y; };", "#include \"/nonexistent\";", "#other 1;", "Zz::a \"#clear\";", "Zz::a #clear;", "Zz { #clear; };",
		"Zz::a\t\"b\tc\";", "Zz::a \"\";", "Zz::a;", "Zz;", ";;;", "Zz::a \"x\"// comment\n;", "Zz::a 1;#comment \"\n", "Zz::a \"x;y{z}\";", "Zz::a x;\r\nZz::b y;\r\n",
		"/* a */ Zz::a /* b */ 1 /* c */; /* d \"*/ Zz::b 2;", "*/ Zz::a 1;", "/*/ Zz::a 1; */ Zz::b 1;", "Zz::a 1; Zz::a::b 2; Zz { a 3 { c 4; }; };",
	} {
		compare(t, text)
	}
}

// TestRandomLikeApt: what chance makes of the syntax's parts.
func TestRandomLikeApt(t *testing.T) {
	needApt(t)
	n := 200
	if os.Getenv("SATCHEL_FULL") != "" {
		n = 5000
	}
	parts := []string{"Zz", "Zz", "::", "::", "a", "B", " ", " ", "\n", ";", ";", ";", "{", "}", "\"", "\"x y\"", "\"v\"", "#clear ", "#", "//", "/*", "*/", "%41", "[", "]", "\t", ":", "é"}
	r := rand.New(rand.NewPCG(7, 7))
	for range n {
		var b strings.Builder
		for range r.IntN(24) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		compare(t, b.String())
		if t.Failed() {
			return
		}
	}
}

// TestSelectLikeApt: which files of a folder apt reads, and in which order.
func TestSelectLikeApt(t *testing.T) {
	needApt(t)
	names := []string{"00a", "10b.conf", "9c.conf", "B", "a.conf.conf", "a~", ".hidden", "x.bak", "y.conf.dpkg-old", "p.q.conf", "dot.", "sp ace", "_u", "-m", "c:d", "é", "+p", "conf", "z.CONF"}
	dir := t.TempDir()
	for i, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), fmt.Appendf(nil, "Zz:: \"%d\";", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(t.TempDir(), "main")
	if err := os.WriteFile(main, fmt.Appendf(nil, "Dir::Etc::parts %q; Dir::Etc::main \"/nonexistent\";\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("apt-config", "--format", "%v%n", "dump", "Zz")
	cmd.Env = append(os.Environ(), "APT_CONFIG="+main)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range strings.Fields(string(out)) {
		var i int
		fmt.Sscan(f, &i)
		want = append(want, names[i])
	}
	if got := Select(names); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestBounds: what is too large or too deep is refused, in little time.
func TestBounds(t *testing.T) {
	var c Config
	self := func(string) ([]File, error) { return []File{{"again", []byte("#include x;\n#include x;")}}, nil }
	for name, text := range map[string]string{
		"a large file":     strings.Repeat(" ", maxText+1),
		"a long statement": strings.Repeat("a", maxWord+1) + ";",
		"no end":           "a\n" + strings.Repeat("b\n", maxWord),
		"a deep block":     strings.Repeat("a{\n", maxWord),
		"a long line":      strings.Repeat("\"//\"", maxLine),
		"one block's line": strings.Repeat("a{", maxLine/2),
		"many items":       strings.Repeat("a::;\n", maxItems+1),
		"includes itself":  "#include x;",
		"NUL":              "a \x00;",
	} {
		if err := c.Read(File{"f", []byte(text)}, self); err == nil || !strings.Contains(err.Error(), "reading f") {
			t.Errorf("%s: got %v", name, err)
		}
		c = Config{}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("Acquire::http { Proxy \"http://p:1/\"; Proxy::h DIRECT; }; #clear Acquire;")
	f.Add("/* \"*/ a:: { \"b\"; };// x")
	f.Fuzz(func(t *testing.T, text string) {
		var c Config
		if c.Read(File{"f", []byte(text)}, nil) != nil {
			return
		}
		// What was read can be written in its plainest form, and read again.
		var b strings.Builder
		var walk func(it *item, above string) bool
		walk = func(it *item, above string) bool {
			for _, i := range it.below {
				name := above + i.tag
				if i.tag == "" || strings.ContainsAny(name+i.value, "\"%[]\n\r\v\f\t #/*") || strings.HasPrefix(name, ":") || strings.Contains(name, ":::") || strings.HasSuffix(name, ":") {
					return false
				}
				fmt.Fprintf(&b, "%s \"%s\";\n", "\""+name+"\"", i.value)
				if !walk(i, name+"::") {
					return false
				}
			}
			return true
		}
		if !walk(&c.root, "") {
			return
		}
		var again Config
		if err := again.Read(File{"f", []byte(b.String())}, nil); err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if dump(&again) != dump(&c) {
			t.Errorf("%q\ngot  %s\nwant %s", text, dump(&again), dump(&c))
		}
	})
}
