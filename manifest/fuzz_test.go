package manifest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// soundError checks what every parser promises of its errors.
func soundError(t *testing.T, data []byte, err error) {
	t.Helper()
	var p *Problems
	if !errors.As(err, &p) || p.File != "fuzz" || len(p.List) == 0 {
		t.Fatalf("got %v, want *Problems", err)
	}
	// A carriage return alone ends a line, too.
	most := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + strings.Count(string(data), "\u0085") +
		strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 1
	last := 0
	for _, q := range p.List {
		if q.Line < 0 || q.Line > most || q.Line < last && q.Line != 0 || q.Message == "" || !clean(q.Message) {
			t.Fatalf("got %+v, want a line up to %d after %d", q, most, last)
		}
		last = q.Line
	}
}

// seed adds the smaller files of the corpus, where it is.
func seed(f *testing.F, kind, pattern string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(corpusDir(), kind, pattern))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 20000 {
			f.Add(data)
		}
	}
}

func FuzzParseDescriptor(f *testing.F) {
	seed(f, "descriptors", "*.yml")
	seed(f, "broken", "*.yml")
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDescriptor("fuzz", data)
		if err != nil {
			soundError(t, data, err)
			return
		}
		if CheckName(d.Name) != nil || d.Script == "" && !bytes.Contains(data, []byte("script")) || len(d.Targets()) != len(d.Suites)*len(d.Architectures) || len(d.Targets()) == 0 {
			t.Fatalf("got %+v", d)
		}
		for _, name := range d.Files {
			if strings.ContainsAny(name, "/\\\n\x00 ") || name == ".." {
				t.Fatalf("file %q", name)
			}
		}
		for _, p := range d.Packages {
			if strings.ContainsAny(p, "\n\t ;|&$`()<>'\"\\*?[]{}!#~/") && !strings.Contains(p, "=") {
				t.Fatalf("package %q", p)
			}
		}
		for _, r := range d.Remotes {
			if strings.HasPrefix(r.URL, "-") || strings.HasPrefix(r.Dir, "-") || strings.HasPrefix(r.Commit, "-") || strings.Contains(r.Dir, "/") || r.Line < 1 {
				t.Fatalf("remote %+v", r)
			}
		}
	})
}

func FuzzParseLock(f *testing.F) {
	data, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("satchel-lock: 1\ndescriptors: []\narchives: []\ntargets: []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock("fuzz", data)
		if err != nil {
			soundError(t, data, err)
			return
		}
		one, err := l.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		l2, err := ParseLock("fuzz", one)
		if err != nil {
			t.Fatalf("%v\n%s", err, one)
		}
		two, err := l2.Marshal()
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%v, got\n%s\nwant\n%s", err, two, one)
		}
		if !reflect.DeepEqual(l.Blobs(), l2.Blobs()) {
			t.Fatalf("got %v, want %v", l2.Blobs(), l.Blobs())
		}
		l2.Sort()
		if three, err := l2.Marshal(); err != nil || !bytes.Equal(one, three) {
			t.Fatalf("sorting changes a sound lock: %v\n%s", err, three)
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(soundSettings))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSettings("fuzz", data)
		if err != nil {
			soundError(t, data, err)
			return
		}
		for name, file := range s.Files {
			if strings.Contains(name, "/") || file.SHA256 == nil && file.SourcePackage == "" || file.SHA256 != nil && file.SHA256.IsZero() {
				t.Fatalf("%s: %+v", name, file)
			}
		}
	})
}

func FuzzParseResult(f *testing.F) {
	seed(f, "asserts", "*/*/*.assert")
	for _, r := range goldens() {
		data, err := r.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		if data, err := randomResult(r).Marshal(); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseResult("fuzz", data)
		if err != nil {
			soundError(t, data, err)
			return
		}
		one, err := r.Marshal()
		if err != nil {
			return // it says what Ruby would not write
		}
		r2, err := ParseResult("fuzz", one)
		if err != nil {
			t.Fatalf("%v\n%s", err, one)
		}
		if !reflect.DeepEqual(r, r2) {
			t.Fatalf("got  %+v\nwant %+v\n%s", r2, r, one)
		}
	})
}

// FuzzScalars writes any text as both of our writers do, and lets a YAML parser
// read it.
func FuzzScalars(f *testing.F) {
	for _, s := range []string{"", "a", "1", "y", "null", "a: b", " a", "a ", "'", `"`, "-", "1e3", "0x1", "2024-01-01", "a\nb\n", "\n", "é", "<<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if clean(s) {
			var n yaml.Node
			text := "k: " + quoteYAML(s) + "\n"
			if err := yaml.Unmarshal([]byte(text), &n); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if v := n.Content[0].Content[1]; v.Value != s || v.ShortTag() != "!!str" {
				t.Fatalf("%q: got %q of %s, want %q", text, v.Value, v.ShortTag(), s)
			}
		}
		if s != "" && noiseText(strings.TrimSuffix(s, "\n")) {
			var w psychWriter
			w.entry(0, "k", s)
			var n yaml.Node
			if err := yaml.Unmarshal(w.Bytes(), &n); err != nil {
				t.Fatalf("%q: %v", w.String(), err)
			}
			// Not its type: 1e3 is a text to Ruby and a number to YAML 1.2.
			if v := n.Content[0].Content[0].Content[1]; v.Value != s {
				t.Fatalf("%q: got %q, want %q", w.String(), v.Value, s)
			}
		}
	})
}
