//go:build linux

package guest

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
)

// fakeTime is where Debian has the library that tells programs another time.
const fakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

// teller is a package whose postinst tells what a preparation may not depend on:
// the year, the processors, the order in which a folder is listed, the umask.
func teller() debtest.Package {
	return debtest.Package{Name: "zz-teller", Data: []tar.Header{debtest.Dir(".")}, Scripts: map[string]string{"postinst": `#!/bin/sh
echo "told: year $(date -u +%Y), listed first $(ls -U /usr/share/doc | head -n 1), umask $(umask)"
`}}
}

// TestPrepareAgain prepares the same plan again where much is different: on another
// file system, which lists folders in another order; with one processor; by another
// clock; with another umask and folders that an engine has made already.
// (Both engines, and a user who is not root: cmd/satchel, TestCrossing.)
func TestPrepareAgain(t *testing.T) {
	needRoot(t)
	needFull(t)
	suite := "b"
	if s := os.Getenv("SATCHEL_REFERENCE"); s != "" {
		suite = s
	}
	debs := referenceDebs(t, filepath.Join(referenceDir, "ref", suite))
	own := filepath.Join(t.TempDir(), "zz-teller.deb")
	if err := os.WriteFile(own, teller().Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	debs = append(debs, own)
	plan := planOf(t, debs)
	plan.MergedUsr = suite != "bullseye"
	var first prepared
	told := make(map[string]string)
	for _, c := range []struct {
		name  string
		where func(t *testing.T) string
		env   []string
		begin func(t *testing.T, root string)
		sees  string // in what the package tells
	}{
		{name: "first", where: func(t *testing.T) string { return t.TempDir() }, sees: "umask 0022"},
		{name: "another file system", where: roomFor},
		{name: "one processor", where: roomFor, env: []string{"GOMAXPROCS=1"}},
		{name: "another clock", where: roomFor, sees: "year 2031", env: []string{scriptsEnv +
			"=LD_PRELOAD=/.satchel/libfaketime.so.1\nFAKETIME=@2031-05-05 05:05:05\nNO_FAKE_STAT=1\nFAKETIME_DONT_FAKE_MONOTONIC=1"},
			begin: func(t *testing.T, root string) {
				lib, err := os.ReadFile(fakeTime)
				if err != nil {
					skip(t, "needs faketime: "+err.Error())
				}
				put(t, filepath.Join(root, ".satchel/libfaketime.so.1"), lib, 0o755)
			}},
		{name: "in the middle of things", where: func(t *testing.T) string { return filepath.Join(roomFor(t), "elsewhere") },
			begin: func(t *testing.T, root string) {
				t.Cleanup(setUmask(0o077))
				put(t, filepath.Join(root, "etc/hosts"), []byte("127.0.0.1 x\n"), 0o600)
				for _, d := range []string{"run", "var/lib"} {
					if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(c.where(t), "root")
			if c.begin != nil {
				c.begin(t, root)
			}
			p := initWith(t, root, initRun{
				send: func(w io.Writer) error { return sendPrepare(w, plan, nil, debs) }, started: func(int) {}, logged: func(string) {}, env: c.env})
			if p.out.Error != "" {
				t.Fatalf("%s\n%s", p.out.Error, tailOf(p.log, 4000))
			}
			_, told[c.name], _ = strings.Cut(p.log, "told: ")
			told[c.name], _, _ = strings.Cut(told[c.name], "\n")
			t.Logf("%s in %v, processors %v: %s", p.out.Root, p.took, p.cpu, told[c.name])
			if !strings.Contains(told[c.name], c.sees) || told[c.name] == "" {
				t.Errorf("it saw %q, want %q", told[c.name], c.sees)
			}
			if first.out.Root == nil {
				first = p
				return
			}
			if *first.out.Root != *p.out.Root {
				for _, d := range differences(linesOf(first.listing), linesOf(p.listing)) {
					t.Error(d)
				}
				t.Errorf("got root %s, then %s", first.out.Root, p.out.Root)
			}
		})
	}
	if told["first"] == told["another file system"] {
		t.Errorf("both file systems list in the same order: %q", told["first"])
	}
}

// put writes a file and the folders above it.
func put(t *testing.T, name string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, mode); err != nil {
		t.Fatal(err)
	}
}

func TestLeaveLocales(t *testing.T) {
	of := func(name, text string) [][]*staged {
		s := pkg(t, 0, "later preinst")
		s.files[0].Name, s.files[0].Content = name, []byte(text)
		return [][]*staged{{pkg(t, 1, "one")}, {pkg(t, 2, "two preinst"), s}}
	}
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"postinst", "#!/bin/sh\nldconfig\n", true},
		{"postinst", "#!/bin/sh\nlocale-gen\n", false},
		{"preinst", "#!/bin/sh\nlocaledef x\n", false},
		{"config", "db_get locales/x\n", false},
		{"triggers", "interest /usr/share/locale\n", false},
		{"templates", "Description: your locale\n", true},
	} {
		if got := leaveLocales(of(c.name, c.text)); got != c.want {
			t.Errorf("%s %q: got %v", c.name, c.text, got)
		}
	}
}
