package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

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
// its own on loopback, $ARCHIVE with its key in $KEY, and signing keys in $WORK.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		Setup:              setupScript,
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits, "fault": cmdFault, "flip": cmdFlip, "cut": cmdCut, "release": cmdRelease, "asked": cmdAsked},
		RequireUniqueNames: true,
	})
}

func setupScript(env *testscript.Env) error {
	t := env.T().(testing.TB)
	a := newArchive(t,
		stanza{"base", "1.0", "Essential: yes\nPriority: required\n"},
		stanza{"tool", "2.0-1", "Depends: libtool1 (>= 2), base\n"},
		stanza{"libtool1", "2.1", ""},
		stanza{"broken", "1", "Depends: nowhere\n"},
	)
	env.Values["archive"] = a
	key := filepath.Join(env.WorkDir, "archive.gpg")
	if err := os.WriteFile(key, a.keyring(t), 0o600); err != nil {
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
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(args) == 1 && args[0] == "none" {
		clear(a.fault)
		return
	}
	kinds := map[string]func(http.ResponseWriter, []byte){
		"404": func(w http.ResponseWriter, _ []byte) { http.Error(w, "gone", http.StatusNotFound) },
		"500": func(w http.ResponseWriter, _ []byte) { http.Error(w, "broken", http.StatusInternalServerError) },
		"half": func(w http.ResponseWriter, whole []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			w.Write(whole[:len(whole)/2])
		},
		"flip": func(w http.ResponseWriter, whole []byte) {
			other := append([]byte(nil), whole...)
			other[len(other)/2] ^= 1
			w.Write(other)
		},
		"endless": func(w http.ResponseWriter, whole []byte) {
			w.Write(whole)
			piece := make([]byte, 64<<10)
			for i := 0; i < 2000; i++ { // 128 MB: endless enough, and bounded
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		},
	}
	if len(args) != 2 || kinds[args[1]] == nil {
		ts.Fatalf("usage: fault SUFFIX 404|500|half|flip|endless")
	}
	a.fault[args[0]] = kinds[args[1]]
}

// cmdRelease publishes the main suite again: release expired|future|bomb|escape|other-key|other-suite.
func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("archive").(*fakeArchive)
	var t testing.TB = panicTB{}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch args[0] {
	case "expired":
		a.publish(t, "debian", "bookworm", nil, now.Add(-48*time.Hour), now.Add(-24*time.Hour))
	case "future":
		a.publish(t, "debian", "bookworm", nil, now.Add(48*time.Hour), now.Add(96*time.Hour))
	case "bomb": // an index that decodes to a gigabyte more than the Release says
		index := a.pool(t, "debian", []stanza{{"base", "1.0", "Essential: yes\n"}})
		a.dists(t, "debian", "bookworm", index, gzipped(append(slices.Clone(index), make([]byte, 1<<30)...)), now, now.Add(time.Hour))
	case "escape": // a package whose path leads out of the archive
		index := bytes.ReplaceAll(a.pool(t, "debian", []stanza{{"base", "1.0", "Essential: yes\n"}}), []byte("Filename: pool"), []byte("Filename: ../../pool"))
		a.dists(t, "debian", "bookworm", index, gzipped(index), now, now.Add(time.Hour))
	case "other-key":
		b := newArchive(t, stanza{"base", "1.0", "Essential: yes\n"})
		b.Close()
		a.files["debian/dists/bookworm/InRelease"] = b.files["debian/dists/bookworm/InRelease"]
	case "other-suite":
		a.files["debian/dists/bookworm/InRelease"] = a.files["debian/dists/bookworm-updates/InRelease"]
	default:
		ts.Fatalf("usage: release expired|future|bomb|escape|other-key|other-suite")
	}
}

// panicTB is a testing.TB for places that have none.
type panicTB struct{ testing.TB }

func (panicTB) Helper()                   {}
func (panicTB) Cleanup(func())            {}
func (panicTB) Fatal(args ...any)         { panic(args) }
func (panicTB) Fatalf(f string, a ...any) { panic(f) }

// cmdAsked counts the requests whose path ends in a suffix: asked SUFFIX N.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("archive").(*fakeArchive)
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, p := range a.asked {
		if strings.HasSuffix(p, args[0]) {
			n++
		}
	}
	if want, _ := strconv.Atoi(args[1]); n != want {
		ts.Fatalf("%s was asked for %d times, want %d", args[0], n, want)
	}
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
