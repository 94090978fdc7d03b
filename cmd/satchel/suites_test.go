package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Two suites of one distribution, for real: what each of them makes goes into one result,
// a run that fails in the second goes on there, and nothing is overwritten.

// twoSuites are descriptors for bookworm and trixie, which differ in everything.
var twoSuites = map[string]string{
	// In trixie it ends well only where its cache was filled.
	"both": `enable_cache: true
files: []
script: |
  . /etc/os-release
  getconf GNU_LIBC_VERSION > "$OUTDIR/libc-$VERSION_CODENAME"
  mkdir "$OUTDIR/d"
  echo same > "$OUTDIR/d/same"
  ln -s d/same "$OUTDIR/link"
  echo "$VERSION_CODENAME" > "$GBUILD_COMMON_CACHE/suite"
  touch "$GBUILD_PACKAGE_CACHE/of-$VERSION_CODENAME"
  [ "$VERSION_CODENAME" = bookworm ] || cat "$GBUILD_COMMON_CACHE/filled"
`,
	"overwrites": "files: []\nscript: |\n  cp /etc/debian_version $OUTDIR/version\n  mkdir $OUTDIR/d\n  echo $$ > $OUTDIR/d/same\n",
}

func TestSuites(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("two base systems and seven builds on each engine: set SATCHEL_FULL=1")
	}
	if os.Getuid() != 0 {
		skip(t, "it takes root")
	}
	if release, _ := os.ReadFile("/etc/os-release"); !bytes.Contains(release, []byte("ID=debian")) {
		skip(t, "this machine's apt sources are not Debian's")
	}
	c := newCrossing(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(c.dir, "key")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := []string{"gather", "-o", "suites.satchel", "--sign", "key", "--base-packages", "locales", "--apt-sources", c.sourcesOfBoth(t)}
	for name, rest := range twoSuites {
		text := "name: " + name + "\ndistro: debian\nsuites: [bookworm, trixie]\narchitectures: [amd64]\npackages: []\n" +
			"reference_datetime: \"2022-12-29 12:00:00\"\nremotes: []\n" + rest
		file := filepath.Join(c.dir, name+".yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	c.must(t, nil, args...)
	for _, engine := range []string{"sandbox", "docker"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "docker" && exec.Command("docker", "info").Run() != nil {
				skip(t, "no Docker daemon answers")
			}
			c.suites(t, engine)
		})
	}
}

// sourcesOfBoth is this machine's apt configuration with trixie beside bookworm.
func (c *crossing) sourcesOfBoth(t *testing.T) string {
	dir := filepath.Join(c.dir, "apt")
	if err := os.CopyFS(dir, os.DirFS("/etc/apt")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sources.list.d", "debian.sources")
	text, err := os.ReadFile(file)
	if err != nil {
		skip(t, err.Error())
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if suites, ok := strings.CutPrefix(line, "Suites: "); ok && strings.Contains(suites, "bookworm") {
			lines[i] += " " + strings.ReplaceAll(suites, "bookworm", "trixie")
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (c *crossing) suites(t *testing.T, engine string) {
	if err := os.RemoveAll(filepath.Join(c.cache, "build")); err != nil {
		t.Fatal(err)
	}
	out := engine + "-both"
	_, code, story := c.build(t, engine, "suites.satchel", "both", out)
	if code != 1 || !strings.Contains(story, "trixie-amd64") || !strings.Contains(story, "filled") {
		t.Fatalf("exit status %d, want 1 and what is missing in\n%s", code, story)
	}
	if _, err := os.Lstat(filepath.Join(c.dir, out)); err == nil {
		t.Error("there is a result of a run that failed")
	}
	common := filepath.Join(c.cache, "build", "debian-trixie-amd64", "common")
	if _, err := os.Lstat(filepath.Join(common, "suite")); err == nil {
		t.Error("a script that failed has left something in the cache")
	}
	if err := os.MkdirAll(common, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(common, "filled"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	resumed, code, story := c.build(t, engine, "suites.satchel", "both", out, "--resume")
	if want := "Taking bookworm-amd64 from " + out + ".failed"; code != 0 || !strings.Contains(story, want) {
		t.Fatalf("exit status %d, want 0 and %q in\n%s", code, want, story)
	}
	if strings.Count(story, "Running build script") != 1 {
		t.Errorf("more than one target was built again:\n%s", story)
	}
	var paths []string
	for _, o := range resumed[0].Outputs {
		paths = append(paths, o.Path)
	}
	if want := []string{"d/same", "libc-bookworm", "libc-trixie", "link"}; !slices.Equal(paths, want) {
		t.Errorf("outputs %q, want %q", paths, want)
	}
	for suite, want := range map[string]string{"bookworm": "glibc 2.36\n", "trixie": "glibc 2.41\n"} {
		if got := c.read(t, out, "out", "libc-"+suite); got != want {
			t.Errorf("in %s the script saw %q, want %q", suite, got, want)
		}
	}
	text := c.read(t, out, "both-res.yml")
	c.order(t, text, "d/same\n", "  - bookworm-amd64: ", "libc6_2.36", "  - trixie-amd64: ", "libc6_2.41", "- cache_common_manifest: ",
		"  filled\n", "  suite\n", "- cache_package_manifest: ", "  of-bookworm\n", "  of-trixie\n")
	// Side by side it is the same, though the caches are not empty any more.
	built, code, story := c.build(t, engine, "suites.satchel", "both", out+"-beside", "--parallel", "2")
	if code != 0 || built[0].Manifest.SHA256 != resumed[0].Manifest.SHA256 {
		t.Errorf("side by side: exit status %d, and the manifest\n%s\nwant\n%s\n%s", code, c.read(t, out+"-beside", "both-res.yml"), text, story)
	}
	c.order(t, story, "bookworm-amd64: ", "trixie-amd64: ")
	for _, more := range [][]string{nil, {"--parallel", "2"}} {
		_, code, story = c.build(t, engine, "suites.satchel", "overwrites", engine+"-overwrites", more...)
		first, second := "of trixie-amd64: bookworm-amd64 wrote another file of that name", "of bookworm-amd64: trixie-amd64 wrote another file of that name"
		if code != 1 || !strings.Contains(story, first) && (more == nil || !strings.Contains(story, second)) {
			t.Errorf("%v: exit status %d, want 1 and %q in\n%s", more, code, first, story)
		}
	}
	c.nothingLeft(t)
}
