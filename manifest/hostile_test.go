package manifest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bombs are small or large texts that ask for much more than they should.
func bombs() map[string]string {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
	}
	many := "remotes: &r\n" + strings.Repeat("- {url: a, dir: a}\n", 1000)
	return map[string]string{
		"laughs in suites": laughs.String() + "suites: *a19\nout_manifest: *a19\nfiles: *a19\n",
		"laughs as keys":   laughs.String() + "? *a19\n: x\n",
		"self":             "suites: &a [*a]\nfiles: &b\n- *b\n",
		"self key":         "a: &a {? *a : x}\n",
		"self map":         "base_manifests: &a\n  x: *a\nremotes: &r [*r]\n",
		"flow depth":       strings.Repeat("[", 200000),
		"flow maps":        strings.Repeat("{a: ", 200000),
		"block depth":      strings.Repeat("- ", 200000),
		"keys depth":       strings.Repeat("? ", 200000),
		"wide":             "files: [" + strings.Repeat("a,", 2<<20) + "]",
		"wide, allowed":    "files: [" + strings.Repeat("a,", 500000) + "]",
		"many remotes":     many + strings.Repeat("files: *r\n", 400),
		"packages again":   "packages: &p [" + strings.Repeat("a,", 200000) + "]\nrepositories:\n" + strings.Repeat("- {source: deb a, distribution: a, packages: *p}\n", 10000),
		"long line":        "name: " + strings.Repeat("x", 4<<20-10),
		"too long":         strings.Repeat("#\n", 40<<20),
		"comments":         strings.Repeat("#\n", 2<<20-10) + "a: b",
		"blank lines":      strings.Repeat("\n", 4<<20-10) + "a: b",
		"late error":       strings.Repeat("a: b\n", 100000) + "\"",
		"long quote":       "a: \"" + strings.Repeat("\n", 1<<20),
		"anchors":          strings.Repeat("- &a x\n", 200000),
		"colons":           strings.Repeat(":", 4<<20-1),
		"dashes":           strings.Repeat("-", 4<<20-1),
		"nuls":             strings.Repeat("\x00", 1000),
		"UTF-16":           "\xff\xfea\x00:\x00",
		"percent":          strings.Repeat("%", 100000),
		"directives":       strings.Repeat("%YAML 1.1\n", 100000) + "---\na: b\n",
		"tags":             "a: " + strings.Repeat("!!str ", 100000),
		"script":           minimal + strings.Repeat("  [,{,[,{,\n", 300000),
	}
}

// TestBombs reads each bomb as each document: an answer has to come soon and
// without much memory, and never be that it is fine.
func TestBombs(t *testing.T) {
	parsers := map[string]func([]byte) error{
		"descriptor": func(b []byte) error { _, err := ParseDescriptor("x", b); return err },
		"lock":       func(b []byte) error { _, err := ParseLock("x", b); return err },
		"settings":   func(b []byte) error { _, err := ParseSettings("x", b); return err },
		"result":     func(b []byte) error { _, err := ParseResult("x", b); return err },
	}
	for name, text := range bombs() {
		for kind, parse := range parsers {
			// What YAML alone is asked for is the same in every document.
			if kind != "descriptor" && len(text) > 100000 && os.Getenv("SATCHEL_FULL") != "1" {
				continue
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := parse([]byte(text))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s as %s: it was taken", name, kind)
			} else if len(err.Error()) > 100000 {
				t.Errorf("%s as %s: the error has %d bytes", name, kind, len(err.Error()))
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; took > time.Minute || mb > 2000 {
				t.Errorf("%s as %s: took %v and allocated %d MB", name, kind, took, mb)
			} else if took > time.Second {
				t.Logf("%s as %s: took %v and allocated %d MB", name, kind, took, mb)
			}
		}
	}
}

// TestDescriptorAgainstRuby lets Ruby read every descriptor of the corpus and
// compares what both have read.
func TestDescriptorAgainstRuby(t *testing.T) {
	ruby := needTool(t, "ruby")
	dir := t.TempDir()
	ours := map[string]string{}
	for name, data := range corpus(t, "descriptors", "*.yml") {
		d, err := ParseDescriptor(name, data)
		if err != nil {
			continue
		}
		base := fmt.Sprintf("%03d", len(ours))
		if err := os.WriteFile(filepath.Join(dir, base), data, 0o644); err != nil {
			t.Fatal(err)
		}
		ours[base] = rubyView(d)
	}
	const script = `require "yaml"
Dir[ARGV[0] + "/*"].sort.each { |f|
  text = File.read(f, encoding: "UTF-8")
  d = YAML.respond_to?(:unsafe_load) ? YAML.unsafe_load(text) : YAML.load(text)
  out = [d["name"], d["distro"] || "ubuntu", d["suites"].join(","), d["architectures"].join(","), d["packages"].join(" "),
    d["files"].join(","), !!d["sudo"], !!d["enable_cache"], (d["multiarch"] || []).join(","),
    d["remotes"].map { |r| [r["url"], r["dir"], r["commit"]].join(" ") }.join(","), d["script"]].join("\n")
  File.write(f + ".ruby", out)
}`
	if out, err := exec.Command(ruby, "-W0", "-e", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("ruby: %v\n%s", err, out)
	}
	for base, want := range ours {
		got, err := os.ReadFile(filepath.Join(dir, base+".ruby"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s: Ruby reads\n%s\nwe read\n%s", base, got, want)
		}
	}
	if len(ours) < 7 {
		t.Errorf("got only %d descriptors", len(ours))
	}
}

func rubyView(d *Descriptor) string {
	var remotes []string
	for _, r := range d.Remotes {
		remotes = append(remotes, r.URL+" "+r.Dir+" "+r.Commit)
	}
	return strings.Join([]string{d.Name, d.Distro, strings.Join(d.Suites, ","), strings.Join(d.Architectures, ","), strings.Join(d.Packages, " "),
		strings.Join(d.Files, ","), fmt.Sprint(d.Sudo), fmt.Sprint(d.EnableCache), strings.Join(d.Multiarch, ","), strings.Join(remotes, ","), d.Script}, "\n")
}

// TestBooleansAgainstRuby asks Ruby what each spelling of a boolean means to
// gbuild. What we refuse, Ruby must take for a text.
func TestBooleansAgainstRuby(t *testing.T) {
	ruby := needTool(t, "ruby")
	words := strings.Fields(`true True TRUE tRue yes Yes YES yEs on On ON false False FALSE no No NO nO off Off OFF ~ null Null y n Y N 0 1 "true" 'yes' "false" maybe`)
	out, err := exec.Command(ruby, append([]string{"-ryaml", "-e", `ARGV.each { |w| v = YAML.load("a: " + w)["a"]; puts v.is_a?(String) || v.is_a?(Integer) ? "other" : !!v }`}, words...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ruby: %v\n%s", err, out)
	}
	want := strings.Fields(string(out))
	var got []string
	for i, w := range words {
		d, err := ParseDescriptor("x", []byte(strings.Replace(minimal, "---\n", "---\nsudo: "+w+"\n", 1)))
		switch {
		case err != nil:
			got = append(got, "other")
		case want[i] == "other" && d.Sudo:
			got = append(got, "other") // a quoted "true" is a text, and true
		default:
			got = append(got, fmt.Sprint(d.Sudo))
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("for %q\ngot  %v\nwant %v", words, got, want)
	}
}
