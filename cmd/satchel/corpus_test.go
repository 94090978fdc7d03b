package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"satchel/manifest/compare"
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

// TestReleasesPage holds docs/releases.md to what compare says of the real releases.
func TestReleasesPage(t *testing.T) {
	dir := corpus()
	if dir == "" {
		t.Skip("the corpus is not beside this checkout")
	}
	page, err := os.ReadFile("../../docs/releases.md")
	if err != nil {
		t.Fatal(err)
	}
	var three []int
	for _, release := range []string{"0.9.3-win", "0.17.1-osx-signed", "0.20.1-linux"} {
		args := []string{"compare", filepath.Join(dir, "asserts", release), "--keyring", filepath.Join(dir, "builder-keys"), "--json"}
		var out, story bytes.Buffer
		code := command(args, &ui{out: &out, err: &story})
		three = append(three, command(append(args, "--threshold", "3"), &ui{out: io.Discard, err: io.Discard}))
		var c compared
		if err := json.Unmarshal(out.Bytes(), &c); err != nil || len(c.Reports) != 1 {
			t.Fatalf("%s: %v\n%s", release, err, story.String())
		}
		r := c.Reports[0]
		count := map[compare.Status]int{}
		for _, b := range r.Builders {
			count[b.Signature.Status]++
		}
		var signatures []string
		for _, s := range []compare.Status{compare.Good, compare.Old, compare.UnknownKey, compare.Weak} {
			if count[s] > 0 {
				signatures = append(signatures, fmt.Sprint(count[s], " ", s))
			}
			delete(count, s)
		}
		row := fmt.Sprintf("| %s | %s | %s | %d | %s | %s |\n", release, r.Name, r.Answer, code, strings.Join(signatures, ", "), r.Text)
		if len(count) > 0 || !strings.Contains(string(page), row) {
			t.Errorf("docs/releases.md lacks this row (besides: %v)\n%s", count, row)
		}
	}
	if words := fmt.Sprintf("they are %d, %d and %d.", three[0], three[1], three[2]); !strings.Contains(string(page), words) {
		t.Errorf("docs/releases.md does not say of --threshold 3: %s", words)
	}
}
