package main

import (
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
	"satchel/runner/sandbox"
)

// asSatchel is the variable that makes the test's binary be the command.
const asSatchel = "SATCHEL_TEST_COMMAND"

// TestMain lets the test's own binary be satchel: as the command that scripts
// run, and as the init of the containers that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "guest" || os.Args[1] == sandbox.InitWord) {
		os.Exit(start(os.Args))
	}
	if os.Getenv(asSatchel) != "" {
		os.Unsetenv(asSatchel)
		os.Exit(start(os.Args))
	}
	testscript.Main(m, map[string]func(){"satchel": main})
}

// TestScripts runs testdata/script/*.txt. Each script has a signed archive of
// its own on loopback, $ARCHIVE with its key in $KEY, a vendor's archive with its key in vendor.gpg,
// and signing keys in $WORK.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		Setup:              setupScript,
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits, "fault": cmdFault, "flip": cmdFlip, "cut": cmdCut, "release": cmdRelease, "asked": cmdAsked, "assertof": cmdAssertOf},
		RequireUniqueNames: true,
	})
}

func setupScript(env *testscript.Env) error {
	t := env.T().(testing.TB)
	a := newArchive(t,
		archivetest.Deb("base", "1.0", "Essential: yes\nPriority: required\n"),
		archivetest.Deb("tool", "2.0-1", "Depends: libtool1 (>= 2), base\n"),
		archivetest.Deb("chain", "1", "Depends: nothing-has-this | wanted\n"),
		archivetest.Deb("wanted", "1", "Depends: virtual\n"),
		archivetest.Deb("deep", "3", "Provides: virtual\n"),
		archivetest.Deb("libtool1", "2.1", ""),
		archivetest.Deb("broken", "1", "Depends: nowhere\n"),
	)
	env.Values["archive"] = a
	vendor := archivetest.NewKey(t)
	a.Publish(t, archivetest.Suite{Archive: "vendor", Name: "jammy", Keys: []*archivetest.Key{vendor}, Packages: []archivetest.Package{
		archivetest.Deb("tool", "5.0", "Depends: vendorlib\n"), archivetest.Deb("vendorlib", "5.0", ""),
	}})
	if err := os.WriteFile(filepath.Join(env.WorkDir, "vendor.gpg"), vendor.Public(t), 0o600); err != nil {
		return err
	}
	key := filepath.Join(env.WorkDir, "archive.gpg")
	if err := os.WriteFile(key, a.Keyring(t), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"alice", "mallory"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", filepath.Join(env.WorkDir, name)).CombinedOutput()
		if err != nil {
			return errors.Join(err, errors.New(string(out)))
		}
	}
	env.Setenv("KEY", key)
	env.Setenv("ARCHIVE", a.URL)
	env.Setenv("ARCHIVEDIR", a.Dir)
	env.Setenv("SATCHEL_CACHE", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("LOCK", "--archive-keyring="+key+" --mirror=debian="+a.URL+"/debian")
	env.Setenv("CORPUS", corpus())
	return nil
}

// corpus is where the real descriptors are, if they are.
func corpus() string {
	dir, err := filepath.Abs("../../../shared/corpus")
	if err != nil {
		return ""
	}
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// cmdExits runs a command and wants an exit code: exits 3 satchel verify …
// Words of the form $LOCK stand for several.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var words []string
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "--archive-keyring=") {
			words = append(words, strings.Fields(a)...)
			words = append(words, "--mirror=debian-security="+ts.Getenv("ARCHIVE")+"/debian-security", "--mirrors-only")
			continue
		}
		words = append(words, a)
	}
	err = ts.Exec(words[0], words[1:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", words[0], err)
	}
	if got != want {
		ts.Fatalf("%v: exit status %d, want %d\n%s", words, got, want, ts.ReadFile("stderr"))
	}
}

// cmdFault plants a fault in what the archive serves: fault SUFFIX KIND.
func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("archive").(*fakeArchive)
	if len(args) == 1 && args[0] == "none" {
		a.Heal()
		return
	}
	if len(args) != 2 || archivetest.Faults()[args[1]] == nil {
		ts.Fatalf("usage: fault none, or fault SUFFIX %s", slices.Sorted(maps.Keys(archivetest.Faults())))
	}
	a.Plant(args[0], archivetest.Faults()[args[1]])
}

// cmdRelease publishes the main suite again, in one of the ways of releases.
func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || releases[args[0]] == nil {
		ts.Fatalf("usage: release %s", slices.Sorted(maps.Keys(releases)))
	}
	releases[args[0]](panicTB{}, ts.Value("archive").(*fakeArchive))
}

// panicTB is a testing.TB for places that have none.
type panicTB struct{ testing.TB }

func (panicTB) Helper()                   {}
func (panicTB) Cleanup(func())            {}
func (panicTB) Fatal(args ...any)         { panic(args) }
func (panicTB) Fatalf(f string, a ...any) { panic(f) }

// cmdAsked counts the requests whose path ends in a suffix: asked SUFFIX N.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	n := 0
	for _, p := range ts.Value("archive").(*fakeArchive).Asked() {
		if strings.HasSuffix(p, args[0]) {
			n++
		}
	}
	if want, _ := strconv.Atoi(args[1]); n != want {
		ts.Fatalf("%s was asked for %d times, want %d", args[0], n, want)
	}
}

// cmdAssertOf writes the assert of a build by a lock, as attest would, with an
// output of the given hash, and older files of a cache and noise in its list:
// assertof LOCK RELEASE DIGIT OUT.
func cmdAssertOf(ts *testscript.TestScript, neg bool, args []string) {
	text, err := assertOf([]byte(ts.ReadFile(args[0])), args[1], args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), text, 0o600))
}

func assertOf(lockText []byte, release, digit string) ([]byte, error) {
	lock, err := manifest.ParseLock("lock", lockText)
	if err != nil {
		return nil, err
	}
	d := lock.Descriptors[0]
	sum, err := manifest.ParseDigest(strings.Repeat(digit, 64))
	if err != nil {
		return nil, err
	}
	r := manifest.Result{Name: d.Name, Release: release, Type: "build", Out: []manifest.FileSum{{SHA256: sum, Path: "out.txt"}},
		In: manifest.Inputs{Descriptor: manifest.FileSum{SHA256: d.SHA256, Path: d.Name + "-desc.yml"}}}
	for _, f := range d.Files {
		r.In.Files = append(r.In.Files, manifest.FileSum{SHA256: f.SHA256, Path: f.Name})
	}
	for _, s := range d.Sources {
		r.In.Git = append(r.In.Git, manifest.GitCommit{Commit: s.Commit, Dir: s.Dir})
	}
	for _, t := range lock.Targets {
		b := manifest.BaseManifest{Target: t.Suite + "-" + t.Architecture, Noise: []manifest.Noise{{Text: "sudo: unable to resolve host gitian"}}}
		for _, p := range t.Packages {
			if p.Name == "libtool1" {
				b.Sums = append(b.Sums, manifest.FileSum{SHA256: sum, Path: "libtool1_0.9_amd64.deb"})
			}
			b.Sums = append(b.Sums, manifest.FileSum{SHA256: p.SHA256, Path: manifest.DebName(p.Name, p.Version, p.Architecture)})
		}
		r.Base = append(r.Base, b)
	}
	return r.Marshal()
}

// cmdFlip changes one bit: flip FILE OFFSET OUT; a negative offset counts from the end.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o600))
}

// cmdCut keeps the first bytes: cut FILE LENGTH OUT; a negative length leaves that many off.
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if n < 0 {
		fi, err := f.Stat()
		ts.Check(err)
		n += fi.Size()
	}
	w, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	_, err = io.CopyN(w, f, n)
	ts.Check(errors.Join(err, w.Close()))
}
