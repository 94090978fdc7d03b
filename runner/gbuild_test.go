package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
	"satchel/runner/guest"
)

// gbuild is gitian-builder's own program (devrandom/gitian-builder, bin/gbuild), which is no
// part of the project: $SATCHEL_GBUILD says where somebody has it. It runs as it is, with
// commands of the test's in place of those that handle its virtual machine and git.
type gbuild struct{ dir string }

// gbuildCommand stands for all of them. What is run in the target is kept in scripts/N; what
// the target makes is in made/N.
const gbuildCommand = `#!/bin/sh
here=$GBUILD_TEST; n=$(ls "$here/scripts" | wc -l)
case "${0##*/} $*" in
"on-target setarch "*" bash -x") echo "$*" >>"$here/setarch"; cat >"$here/scripts/$((n + 1))" ;;
"on-target -u root bash") cat "$here/packages" ;;
"on-target -u root ["*) exit 1 ;;
"on-target -u root -e DEBIAN_FRONTEND=noninteractive apt-get"*) echo "$*" >>"$here/apt" ;;
"copy-from-target "*) for what in "$@"; do [ -d "$here/made/$n/$what" ] && break; done
  for to in "$@"; do :; done; [ ! -d "$here/made/$n/$what" ] || cp -r "$here/made/$n/${what%/}" "$to/" ;;
"git ls-remote"*) ;;
"git log "*%ad*) echo '2019-08-07 06:05:04' ;;
"git log "*%H*) echo cccccccccccccccccccccccccccccccccccccccc ;;
"git init "*) mkdir -p "$2" ;;
esac
`

func newGbuild(t *testing.T) *gbuild {
	t.Helper()
	program := os.Getenv("SATCHEL_GBUILD")
	if program == "" {
		t.Skip("gitian-builder is not here: SATCHEL_FULL=1 and SATCHEL_GBUILD=…/bin/gbuild compare with it")
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	g := &gbuild{t.TempDir()}
	for _, d := range []string{"bin", "libexec", "target-bin", "inputs", "var", "scripts", "made"} {
		if err := os.Mkdir(filepath.Join(g.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g.write(t, "bin/gbuild", string(text))
	g.write(t, "patient.rb", "module Kernel; def sleep(*) end; end\n") // it waits for no machine
	for _, name := range []string{"stop-target", "start-target", "make-clean-vm", "on-target", "copy-to-target", "copy-from-target", "git"} {
		g.write(t, "libexec/"+name, gbuildCommand)
	}
	for _, name := range []string{"init-build.sh", "grab-packages.sh", "upgrade-system.sh"} {
		g.write(t, "target-bin/"+name, "")
	}
	return g
}

func (g *gbuild) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (g *gbuild) read(t *testing.T, name ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{g.dir}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run builds a descriptor and returns what is printed.
func (g *gbuild) run(descriptor string, more ...string) (string, error) {
	cmd := exec.Command("ruby", append(append([]string{"-r", "./patient.rb", "bin/gbuild"}, more...), descriptor)...)
	cmd.Dir, cmd.Env = g.dir, append(os.Environ(), "GBUILD_TEST="+g.dir, "USE_LXC=1", "LANG=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// torNames is what gbuild says to names of files such as g++, which Tor's own gbuild took, as
// satchel does. It is the one thing that keeps a real descriptor from being compared.
const torNames = "unsanitary string in files section"

// Of every real descriptor, and for each target, the script that bash reads is gbuild's, byte
// for byte, and so is the machine that it believes to run on.
func TestScriptsAgainstGbuild(t *testing.T) {
	first := newGbuild(t)
	files, err := filepath.Glob("../../shared/corpus/descriptors/*.yml")
	if dir := os.Getenv("SATCHEL_CORPUS"); dir != "" {
		files, err = filepath.Glob(filepath.Join(dir, "descriptors", "*.yml"))
	}
	if err != nil || len(files) == 0 {
		t.Skip("the corpus of real documents is not beside this checkout")
	}
	compared, refused := 0, 0
	if os.Getenv("SATCHEL_FULL") == "" {
		for i := range len(files) / 8 {
			files[i] = files[8*i]
		}
		files = files[:len(files)/8]
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := manifest.ParseDescriptor(filepath.Base(file), text)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		g, more := first, []string{"-j", "7", "-m", "1234"}
		if i > 0 {
			g = newGbuild(t)
		}
		pin := manifest.DescriptorPin{Name: d.Name, Reference: d.Reference}
		var commits []string
		for _, r := range d.Remotes {
			pin.Sources = append(pin.Sources, manifest.SourcePin{Dir: r.Dir})
			commits = append(commits, r.Dir+"=v1")
			if d.Reference == "" {
				pin.Reference = "2019-08-07 06:05:04"
			}
		}
		if len(commits) > 0 {
			more = append(more, "--commit", strings.Join(commits, ","))
		}
		for _, f := range d.Files {
			g.write(t, "inputs/"+f, "")
		}
		g.write(t, "made/1/out/x", "x")
		g.write(t, "packages", "")
		g.write(t, "d.yml", string(text))
		if out, err := g.run("d.yml", more...); err != nil {
			if !strings.Contains(out, torNames) || !slices.ContainsFunc(d.Files, func(f string) bool { return strings.ContainsAny(f, "@+~") }) {
				t.Errorf("gbuild does not take %s: %.200s", filepath.Base(file), out)
			}
			refused++
			continue
		}
		n := 0
		var asked []string
		for range d.Suites {
			for _, name := range d.Architectures {
				n++
				arch, err := architectureOf(name)
				if err != nil {
					t.Fatal(err)
				}
				script := buildScript(pin, d, arch.bits, Options{Jobs: 7, Memory: 1234})
				if diff := cmp.Diff(g.read(t, "scripts", fmt.Sprint(n)), script); diff != "" {
					t.Errorf("%s, %s: the script (-gbuild's +ours):\n%s", filepath.Base(file), name, diff)
				}
				asked = append(asked, "setarch "+map[string]string{"i386": "i386", "": "x86_64"}[arch.personality]+" bash -x")
			}
		}
		got := strings.ReplaceAll(g.read(t, "setarch"), "setarch linux64", "setarch x86_64") // the same by another name
		if got != strings.Join(asked, "\n")+"\n" {
			t.Errorf("%s: gbuild runs\n%swe\n%s", filepath.Base(file), got, strings.Join(asked, "\n"))
		}
		compared += n
	}
	if compared < len(files)-refused || refused > len(files)/10 {
		t.Errorf("%d scripts were compared, and %d of %d descriptors not", compared, refused, len(files))
	}
	t.Logf("%d scripts of %d descriptors; gbuild does not take %d others", compared, len(files)-refused, refused)
}

// What gbuild writes of several targets and their caches, we write, and its steps are told
// in its words and order.
func TestResultAgainstGbuild(t *testing.T) {
	g := newGbuild(t)
	r, e, story := fakeRun(t, "enable_cache: true\n", "s2", "s1", "s3")
	made := map[string]map[string]string{
		"s2": {"out/a": "1", "out/same/x": "x", "out/.dot": "", "cache/common/a": "1", "cache/common/d/x": "x", "cache/hello/B": "s2"},
		"s1": {"out/Z+": "2", "out/same/x": "x", "cache/common/a": "2", "cache/hello/b": "s1"},
		"s3": {"out/link": "-> same/x", "out/same/x": "x"},
	}
	e.script = func(b *guest.Build, _ []string) (map[string]string, int) { return made[b.Log[:2]], 0 }
	built, err := r.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, suite := range []string{"s2", "s1", "s3"} {
		for name, text := range made[suite] {
			path := fmt.Sprintf("made/%d/%s", i+1, name)
			to, ok := strings.CutPrefix(text, "-> ")
			if g.write(t, path, text); !ok {
				continue
			}
			whole := filepath.Join(g.dir, path)
			if err := errors.Join(os.Remove(whole), os.Symlink(to, whole)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var packages strings.Builder
	for _, s := range baseSums(r.Lock.Targets[0]) {
		fmt.Fprintf(&packages, "%x  %s\n", s.SHA256[:], s.Path)
	}
	g.write(t, "packages", packages.String())
	text := ""
	for _, s := range r.Source.(fakeSource) {
		text = s
	}
	g.write(t, "d.yml", text)
	said, err := g.run("d.yml")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	ours, err := os.ReadFile(filepath.Join(r.Result, built[0].Manifest.Path))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.read(t, "result", "hello-res.yml"), string(ours)); diff != "" {
		t.Errorf("the result (-gbuild's +ours):\n%s", diff)
	}
	told := story.all()
	for _, line := range []string{"--- Building for s2 amd64 ---", "Making a new image copy", "Starting target", "--- Building for s1 amd64 ---",
		"Making a new image copy", "Starting target", "--- Building for s3 amd64 ---", "Cleaning up target", "Generating report"} {
		var theirs, here bool
		_, said, theirs = strings.Cut(said, line+"\n")
		_, told, here = strings.Cut(told, line+"\n")
		if !theirs || !here {
			t.Errorf("%q is told by gbuild: %v, by us: %v", line, theirs, here)
		}
	}
}
