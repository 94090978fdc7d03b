//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/aptmirror/deb/debtest"
	"satchel/manifest"
)

// orphanName is the argv[0] of a process that nobody waits for.
const orphanName = "satchel-test-orphan"

// The test binary is also the dpkg of a root in which nothing else runs.
func init() {
	if os.Args[0] == orphanName {
		time.Sleep(time.Hour)
	}
	if os.Args[0] == "/usr/sbin/locale-gen" {
		time.Sleep(500 * time.Millisecond) // so that all else is done before it
		fmt.Println("locale-gen is done")
		os.Exit(0)
	}
	if os.Args[0] != "/usr/bin/dpkg" {
		return
	}
	fmt.Printf("dpkg %s env %s\n", strings.Join(os.Args[1:], " "), strings.Join(os.Environ(), " "))
	for _, call := range []struct {
		name   string
		number uintptr
	}{{"fsync", unix.SYS_FSYNC}, {"fdatasync", unix.SYS_FDATASYNC}, {"syncfs", unix.SYS_SYNCFS},
		{"sync_file_range", unix.SYS_SYNC_FILE_RANGE}, {"close", unix.SYS_CLOSE}} {
		_, _, e := unix.RawSyscall(call.number, 999, 0, 0)
		fmt.Printf("%s of nothing: %d\n", call.name, e)
	}
	if _, err := os.Stat("/orphan"); err == nil {
		p, err := os.StartProcess(os.Args[0], []string{orphanName}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
		fmt.Println("orphan:", p != nil, err)
	}
	if _, err := os.Stat("/hang"); err == nil {
		time.Sleep(time.Hour)
	}
	if _, err := os.Stat("/fail"); err == nil {
		os.Exit(7)
	}
	os.Exit(0)
}

// miniature is a system of one package, whose dpkg is this binary.
func miniature(t *testing.T, more ...string) ([]string, *Prepare) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	p := debtest.Package{Name: "mini", Fields: "Essential: yes\n", Data: []tar.Header{
		debtest.Dir("."), debtest.Dir("./etc"), debtest.File("./etc/passwd"), debtest.File("./etc/group"), debtest.File("./etc/shadow"),
		debtest.Dir("./usr"), debtest.Dir("./usr/bin"),
		with(debtest.File("./usr/bin/dpkg"), func(h *tar.Header) { h.Mode = 0o755 }),
	}, Contents: map[string]string{"./usr/bin/dpkg": string(self), "./etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "./etc/group": "root:x:0:\n", "./etc/shadow": "root:*:1:0:99999:7:::\n"}}
	for _, m := range more {
		p.Data = append(p.Data, debtest.File("./"+m))
	}
	file := filepath.Join(t.TempDir(), "mini.deb")
	if err := os.WriteFile(file, p.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{file}, planOf(t, []string{file})
}

func TestInitPreparesMiniature(t *testing.T) {
	needRoot(t)
	debs, plan := miniature(t, "orphan")
	plan.Sources = []string{"deb http://one.example.org/debian one main", "deb http://two.example.org/debian two main"}
	p := prepareIn(t, filepath.Join(t.TempDir(), "root"), plan, debs)
	if p.out.Error != "" || p.out.Root == nil {
		t.Fatalf("got %+v\n%s", p.out, p.log)
	}
	if p.took > 2*time.Minute {
		t.Errorf("it took %v: an orphan was waited for", p.took)
	}
	if *p.out.Root != manifest.Sum([]byte(p.listing)) {
		t.Error("the root's digest is not the listing's")
	}
	for _, want := range []string{
		"dpkg --force-confold --force-confdef --configure -a env PATH=/usr/local/sbin:",
		"fsync of nothing: 0\n", "fdatasync of nothing: 0\n", "syncfs of nothing: 0\n", "sync_file_range of nothing: 0\n",
		"close of nothing: 9\n", "orphan: true <nil>\n",
	} {
		if !strings.Contains(p.log, want) {
			t.Errorf("the log lacks %q:\n%s", want, p.log)
		}
	}
	for _, want := range []string{" /home/debian\n", " /usr/bin/dpkg ", "l 0777 0 0 - 1790000000 /bin usr/bin\n"} {
		if !strings.Contains(p.listing, want) {
			t.Errorf("the listing lacks %q:\n%s", want, p.listing)
		}
	}
	for _, not := range []string{".satchel", "policy-rc.d", "lib32"} {
		if strings.Contains(p.listing, not) {
			t.Errorf("the listing has %q", not)
		}
	}
	if got := readAll(t, filepath.Join(p.root, "etc/apt/sources.list")); got != strings.Join(plan.Sources, "\n")+"\n" {
		t.Errorf("sources.list: %q", got)
	}
	if got := readAll(t, filepath.Join(p.root, "etc/passwd")); !strings.HasSuffix(got, "debian:x:1000:1000::/home/debian:/bin/bash\n") {
		t.Errorf("passwd: %q", got)
	}
}

// TestInitMakesLocaleMeanwhile: the locale is made while packages that come after
// the one that can are installed, and waited for.
func TestInitMakesLocaleMeanwhile(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		name, postinst string
		fails          bool
	}{
		{"while others come", "#!/bin/sh\n", false},
		{"when one of them fails", "#!/bin/sh\n", true},
		{"alone at the end, if one of them speaks of locales", "#!/bin/sh\nlocale-gen\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var debs []string
			dir := t.TempDir()
			self := readAll(t, "/proc/self/exe")
			for i, p := range []debtest.Package{
				{Name: "mini", Fields: "Essential: yes\n", Contents: map[string]string{"./usr/bin/dpkg": self}, Data: []tar.Header{
					debtest.Dir("."), debtest.Dir("./etc"), debtest.Dir("./usr"), debtest.Dir("./usr/bin"), debtest.Dir("./usr/sbin"),
					with(debtest.File("./usr/bin/dpkg"), func(h *tar.Header) { h.Mode = 0o755 }),
					debtest.Link("./usr/sbin/locale-gen", "/usr/bin/dpkg"), debtest.Dir("./usr/share"), debtest.Dir("./usr/share/i18n"),
					debtest.Dir("./usr/share/i18n/locales"), debtest.File("./usr/share/i18n/locales/en_US")}},
				{Name: "second", Scripts: map[string]string{"postinst": c.postinst}, Data: []tar.Header{debtest.Dir("."), debtest.File("./second")}},
			} {
				if c.fails && i == 1 {
					p.Data = append(p.Data, debtest.File("./fail"))
				}
				debs = append(debs, filepath.Join(dir, p.Name+".deb"))
				put(t, debs[i], p.Bytes(), 0o644)
			}
			p := prepareIn(t, filepath.Join(dir, "root"), planOf(t, debs), debs)
			if (p.out.Error != "") != c.fails {
				t.Fatalf("got %+v\n%s", p.out, p.log)
			}
			if c.fails {
				if !strings.Contains(p.out.Error, "dpkg") {
					t.Errorf("the error is %s", p.out.Error)
				}
				return
			}
			if strings.Count(p.log, "locale-gen is done") != 1 {
				t.Errorf("the log:\n%s", p.log)
			}
			if !strings.Contains(p.listing, " /etc/locale.gen ") {
				t.Errorf("no locale.gen in\n%s", p.listing)
			}
		})
	}
}

func TestInitRefuses(t *testing.T) {
	needRoot(t)
	debs, sound := miniature(t)
	failing, failPlan := miniature(t, "fail")
	for _, c := range []struct {
		name   string
		change func(p *Prepare)
		debs   []string
		want   string
	}{
		{"another recipe", func(p *Prepare) { p.Recipe++ }, debs, "recipe"},
		{"no epoch", func(p *Prepare) { p.Epoch = 0 }, debs, "epoch"},
		{"nothing", func(p *Prepare) { p.Packages = nil }, nil, "neither"},
		{"another hash", func(p *Prepare) { p.Packages[0].SHA256[3] ^= 1 }, debs, "receiving mini_1_all.deb: content does not match"},
		{"another size", func(p *Prepare) { p.Packages[0].Size++ }, debs, "mini_1_all.deb"},
		{"zero hash", func(p *Prepare) { p.Packages[0].SHA256 = manifest.Sum(nil) }, debs, "mini_1_all.deb"},
		{"another name", func(p *Prepare) { p.Packages[0].Name = "other" }, debs, `Package is "mini"`},
		{"foreign architecture", func(p *Prepare) { p.Packages[0].Architecture = "i386" }, debs, `architecture "i386"`},
		{"a package is missing", func(*Prepare) {}, nil, "mini_1_all.deb"},
		{"a package too many", func(*Prepare) {}, append(debs, debs...), "goes on"},
		{"a package twice", func(p *Prepare) { p.Packages = append(p.Packages, p.Packages...) }, append(debs, debs...), "twice"},
		{"bad user", func(p *Prepare) { p.User = "a:b" }, debs, "not a user name"},
		{"dpkg fails", func(p *Prepare) { *p = *failPlan }, failing, "exit status 7"},
		{"two layers", func(p *Prepare) {
			p.Layers = make([]manifest.Blob, 2)
			p.Layers[0].SHA256[0], p.Layers[1].SHA256[0] = 1, 1
		}, debs, "layers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := *sound
			plan.Packages = append([]Deb(nil), sound.Packages...)
			c.change(&plan)
			p := prepareIn(t, filepath.Join(t.TempDir(), "root"), &plan, c.debs)
			if !strings.Contains(p.out.Error, c.want) || p.out.Root != nil {
				t.Errorf("got %+v, want an error with %q", p.out, c.want)
			}
			for _, left := range []string{spoolDir, policyName} {
				if _, err := os.Lstat(filepath.Join(p.root, left)); err == nil {
					t.Errorf("%s is left", left)
				}
			}
		})
	}
}

// TestInitCutShort ends the stream at many places: there is always an outcome
// that says so.
func TestInitCutShort(t *testing.T) {
	needRoot(t)
	debs, plan := miniature(t)
	var b bytes.Buffer
	if err := sendPrepare(&b, plan, nil, debs); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 512, 700, 1024, 2000, b.Len() / 2} {
		p := initIn(t, filepath.Join(t.TempDir(), "root"), func(w io.Writer) error {
			_, err := w.Write(b.Bytes()[:n])
			return errors.Join(err, errHostGone)
		})
		if p.out.Error == "" {
			t.Errorf("cut at %d of %d: no error", n, b.Len())
		}
	}
}

// TestInitIsStopped sends the signal that asks for an end while dpkg hangs.
func TestInitIsStopped(t *testing.T) {
	needRoot(t)
	debs, plan := miniature(t, "hang")
	start := time.Now()
	pids := make(chan int, 1)
	stop := make(chan struct{})
	var once sync.Once
	go func() {
		pid := <-pids
		<-stop
		syscall.Kill(pid, syscall.SIGTERM)
	}()
	p := initWith(t, filepath.Join(t.TempDir(), "root"), initRun{
		send:    func(w io.Writer) error { return sendPrepare(w, plan, nil, debs) },
		started: func(pid int) { pids <- pid },
		logged: func(text string) {
			if strings.Contains(text, "close of nothing") {
				once.Do(func() { close(stop) })
			}
		},
	})
	if !strings.Contains(p.out.Error, "canceled") {
		t.Errorf("got %+v", p.out)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestReadPlan(t *testing.T) {
	stream := func(name, text string) io.Reader {
		return bytes.NewReader(debtest.Tar([]tar.Header{debtest.File(name)}, map[string]string{name: text}))
	}
	both, _ := json.Marshal(Plan{Prepare: &Prepare{}, Build: &Build{}})
	for _, c := range []struct{ name, text, want string }{
		{PlanName, `{"build":{}}`, ""},
		{PlanName, `{}`, "exactly one"},
		{PlanName, string(both), "exactly one"},
		{PlanName, `{"shell":{}}`, ""},
		{PlanName, `{"shell":{},"build":{}}`, "exactly one"},
		{PlanName, `{"prepare":{"recipee":1}}`, "unknown field"},
		{PlanName, `{"prepare":`, "unexpected EOF"},
		{"other", `{"build":{}}`, "begins with"},
	} {
		_, err := readPlan(tar.NewReader(stream(c.name, c.text)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.name, c.text, err, c.want)
		}
	}
}

// TestInitWithoutHost ends the input while dpkg hangs: nobody wants the outcome
// any more, so everything stops.
func TestInitWithoutHost(t *testing.T) {
	needRoot(t)
	debs, plan := miniature(t, "hang")
	hangs := make(chan struct{})
	var once sync.Once
	start := time.Now()
	p := initWith(t, filepath.Join(t.TempDir(), "root"), initRun{
		send: func(w io.Writer) error {
			err := sendPrepare(w, plan, nil, debs)
			<-hangs
			return errors.Join(err, errHostGone)
		},
		started: func(int) {},
		logged: func(text string) {
			if strings.Contains(text, "close of nothing") {
				once.Do(func() { close(hangs) })
			}
		},
	})
	if !strings.Contains(p.out.Error, errGone.Error()) {
		t.Errorf("got %+v", p.out)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
