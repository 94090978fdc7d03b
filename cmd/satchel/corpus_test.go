package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// refused are the real descriptors that are valid YAML, and that gbuild refuses
// or dies of all the same.
var refused = map[string]string{
	"Bitcoin-ABC__bitcoin-abc__gitian-linux__57ce1160.yml":   `:10: packages is missing; is "ipackages" meant`, // NoMethodError in gbuild
	"litecoin-project__litecoin__gitian-win32__7c5ea66d.yml": `:2: name: "+ACI-calcoin+ACI-"`,                  // mangled by UTF-7
}

// TestCorpus reads every real document with the command itself: those that
// gitian takes are sound, those that it does not are refused with file and line.
func TestCorpus(t *testing.T) {
	dir := corpus()
	if dir == "" {
		t.Skip("the corpus is not beside this checkout")
	}
	inspect := func(file string) (int, string) {
		var out, story bytes.Buffer
		code := command([]string{"inspect", file}, &ui{out: &out, err: &story})
		return code, story.String()
	}
	for _, kind := range []struct {
		pattern string
		least   int
	}{{"descriptors/*.yml", 131}, {"asserts/*/*/*.assert", 35}} {
		files, err := filepath.Glob(filepath.Join(dir, kind.pattern))
		if err != nil || len(files) < kind.least {
			t.Fatalf("%s: %d files, %v", kind.pattern, len(files), err)
		}
		for _, f := range files {
			code, story := inspect(f)
			if reason, odd := refused[filepath.Base(f)]; odd {
				if code != exitFailed || !strings.Contains(story, reason) {
					t.Errorf("%s: exit status %d, want %d and %q in\n%s", filepath.Base(f), code, exitFailed, reason, story)
				}
				continue
			}
			if code != exitDone {
				t.Errorf("%s: exit status %d\n%s", filepath.Base(f), code, story)
			}
		}
	}
	broken, err := filepath.Glob(filepath.Join(dir, "broken", "*.yml"))
	if err != nil || len(broken) < 10 {
		t.Fatalf("%d broken descriptors, %v", len(broken), err)
	}
	for _, f := range broken {
		code, story := inspect(f)
		if line := regexp.MustCompile(regexp.QuoteMeta(f) + `:\d+: .`); code != exitFailed || !line.MatchString(story) {
			t.Errorf("%s: exit status %d, want %d with file and line\n%s", filepath.Base(f), code, exitFailed, story)
		}
	}
}

// TestPrintable: what documents say never drives a terminal.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext":      "plain\n\ttext",
		"\x1b[2Jgone":        `\u001b[2Jgone`,
		"right\u202eto left": `right\u202eto left`,
		"\x00\x07\r":         `\u0000\u0007\u000d`,
		"grüße 😀":            "grüße 😀",
		string([]byte{0xff}): `�`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) is %q, want %q", in, got, want)
		}
	}
}
