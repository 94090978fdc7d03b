package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"satchel/manifest"
	"satchel/runner"
)

// The whole way, for real: this machine's own Debian archive, the examples and
// some descriptors with unruly scripts, one bundle each way across, both engines.

// crossing is what all parts of TestCrossing share.
type crossing struct {
	dir    string // of the test
	binary string
	cache  string
	env    []string
}

// unruly are scripts for one environment, hello's, that a build must survive.
var unruly = map[string]string{
	"contract": `
exec 2>&1 > "$OUTDIR/contract.txt"
id; pwd; umask; hostname; uname -m; echo "$HOME $USER $LANG $LC_ALL $OUTDIR $GBUILD_BITS ${MAKEOPTS[*]}"
echo "$REFERENCE_DATETIME|$REFERENCE_DATE|$REFERENCE_TIME|$SOURCE_DATE_EPOCH"
env | LC_ALL=C sort | grep -v ^_=
grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
ls -A ~ ; ls -A ~/build; locale -a; cat /etc/hosts /etc/resolv.conf
ls /sys/class/net; cat /proc/net/route | wc -l
echo "$0"; ls -l /proc/self/fd | wc -l`,
	"network": `getent hosts archive.example.org || true; curl_missing=1
getent hosts second.example.net
echo unreachable > $OUTDIR/never`,
	"failing": `echo before; false; echo after`,
	"killed":  `kill -KILL $$`,
	"stdin":   `cat > $OUTDIR/rest.txt` + "\nthis line is data\n",
	"background": `(trap '' TERM HUP; while :; do echo x >> $OUTDIR/growing; sleep 0.01; done) & disown
echo done > $OUTDIR/done.txt`,
	"loud":     `head -c 50000000 /dev/zero | tr '\0' 'x'; echo y > $OUTDIR/y`,
	"socket":   `python3 -c 'x' 2>/dev/null || perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("$ENV{OUTDIR}/s"))'`,
	"outside":  `ln -s /etc/passwd $OUTDIR/l`,
	"spaces":   `echo x > "$OUTDIR/a b"`,
	"replaced": `rmdir $OUTDIR; ln -s /etc $OUTDIR`,
	"cached": `
cat $GBUILD_COMMON_CACHE/count $GBUILD_PACKAGE_CACHE/deep/own 2>/dev/null | tee $OUTDIR/seen || true
echo common >> $GBUILD_COMMON_CACHE/count; mkdir -p $GBUILD_PACKAGE_CACHE/deep; echo own >> $GBUILD_PACKAGE_CACHE/deep/own`,
	"hardlink": `echo x > $OUTDIR/a; ln $OUTDIR/a $OUTDIR/b; ln -s a $OUTDIR/c; mkdir $OUTDIR/d; echo .x > $OUTDIR/.dot`,
}

// descriptor is hello's with another name and script and no files.
func descriptor(t *testing.T, name, script string) string {
	text, err := os.ReadFile("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := bytes.Cut(text, []byte("files:"))
	if !ok {
		t.Fatal("examples/hello/hello.yml has no files")
	}
	cache := ""
	if name == "cached" {
		cache = "enable_cache: true\n"
	}
	body := strings.ReplaceAll(strings.TrimLeft(script, "\n"), "\n", "\n  ")
	return strings.Replace(string(head), `"hello"`, `"`+name+`"`, 1) + cache + "files: []\nscript: |\n  " + body + "\n"
}

func TestCrossing(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "it takes root")
	}
	if f, err := elf.Open("/proc/self/exe"); err != nil || f.Section(".interp") != nil {
		skip(t, "the test's own binary is the init inside, so it must be static: run with CGO_ENABLED=0")
	}
	for _, tool := range []string{"git", "unshare", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, tool+" is not installed")
		}
	}
	if release, _ := os.ReadFile("/etc/os-release"); !bytes.Contains(release, []byte("ID=debian")) {
		skip(t, "this machine's apt sources are not Debian's")
	}
	c := newCrossing(t)
	c.gather(t)
	for _, engine := range []string{"sandbox", "docker"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "docker" && exec.Command("docker", "info").Run() != nil {
				skip(t, "no Docker daemon answers")
			}
			t.Run("contract", func(t *testing.T) { c.contract(t, engine) })
			t.Run("unruly", func(t *testing.T) { c.unruly(t, engine) })
		})
	}
	t.Run("same", c.same)
	t.Run("image", c.image)
	t.Run("readme", c.readme)
	t.Run("interrupted", c.interrupted)
	t.Run("disk full", c.full)
	t.Run("silent", c.silent)
}

// skip says why; where nothing may be skipped it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SATCHEL_CI") != "" {
		t.Fatal("SATCHEL_CI is set, but " + why)
	}
	t.Skip(why)
}

func newCrossing(t *testing.T) *crossing {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &crossing{dir: t.TempDir(), binary: self}
	c.cache = filepath.Join(c.dir, "cache")
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// satchel runs the command and returns what it printed, the exit code, and what it told.
func (c *crossing) satchel(t *testing.T, wrap []string, args ...string) (out string, code int, story string) {
	t.Helper()
	words := append(slices.Clone(wrap), c.binary)
	words = append(words, args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), append([]string{"SATCHEL_CACHE=" + c.cache, asSatchel + "=1"}, c.env...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatalf("running %v: %v", words, err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), stderr.String()
}

// must is satchel with exit code 0.
func (c *crossing) must(t *testing.T, wrap []string, args ...string) string {
	t.Helper()
	out, code, story := c.satchel(t, wrap, args...)
	if code != 0 {
		t.Fatalf("satchel %v: exit status %d\n%s", args, code, story)
	}
	return out
}

// gather makes hello.satchel, tally.satchel and unruly.satchel, signed.
func (c *crossing) gather(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]string{
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(c.dir, "key")},
		{filepath.Join(examples, "tally/make-repository"), filepath.Join(c.dir, "tally.git")},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	c.must(t, nil, "gather", filepath.Join(examples, "hello/hello.yml"), "-o", "hello.satchel", "--sign", "key")
	c.must(t, nil, "gather", filepath.Join(examples, "tally/tally.yml"), "-u", "tally="+filepath.Join(c.dir, "tally.git"), "-o", "tally.satchel", "--sign", "key")
	args := []string{"gather", "-o", "unruly.satchel", "--sign", "key"}
	for name, script := range unruly {
		file := filepath.Join(c.dir, name+".yml")
		if err := os.WriteFile(file, []byte(descriptor(t, name, script)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	c.must(t, nil, args...)
}

// offline is a network namespace with nothing in it, not even a loopback
// interface that is up.
func offline() []string { return []string{"unshare", "--net", "--"} }

// build runs one descriptor offline.
func (c *crossing) build(t *testing.T, engine, bundle, only, out string, more ...string) ([]runner.Built, int, string) {
	t.Helper()
	wrap := offline()
	args := append([]string{"run", bundle, "--keyring", "key.pub", "--engine", engine, "--only", only, "-o", out, "--json"}, more...)
	text, code, story := c.satchel(t, wrap, args...)
	var built []runner.Built
	if code == 0 {
		if err := json.Unmarshal([]byte(text), &built); err != nil || len(built) != 1 {
			t.Fatalf("reading what run printed: %v\n%s", err, text)
		}
	}
	return built, code, story
}

func (c *crossing) read(t *testing.T, name ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{c.dir}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// contract compares what a script sees with gitian's contract, line by line.
func (c *crossing) contract(t *testing.T, engine string) {
	out := engine + "-contract"
	if _, code, story := c.build(t, engine, "unruly.satchel", "contract", out); code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	const want = `uid=1000(debian) gid=1000(debian) groups=1000(debian)
/home/debian/build
0002
satchel
x86_64
/home/debian debian en_US.UTF-8 en_US.UTF-8 /home/debian/out 64 -j2
2022-12-29 12:00:00|2022-12-29|12:00:00|1672315200
HOME=/home/debian
LANG=en_US.UTF-8
LC_ALL=en_US.UTF-8
LOGNAME=debian
OLDPWD=/home/debian
OUTDIR=/home/debian/out
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PWD=/home/debian/build
SHELL=/bin/bash
SHLVL=1
SOURCE_DATE_EPOCH=1672315200
USER=debian
Groups:	 
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
.bash_logout
.bashrc
build
cache
install
out
.profile
C
C.utf8
en_US.utf8
POSIX
`
	got := c.read(t, out, "out", "contract.txt")
	if !strings.HasPrefix(got, want) {
		t.Errorf("the script saw\n%s\nwant it to begin with\n%s", got, want)
	}
	for _, line := range []string{"127.0.0.1\tlocalhost", "nameserver 127.0.0.1", "lo"} {
		if !slices.Contains(strings.Split(strings.ReplaceAll(got, "    ", "\t"), "\n"), line) {
			t.Errorf("the script did not see %q in\n%s", line, strings.TrimPrefix(got, want))
		}
	}
}

// unruly runs the scripts that do what they should not.
func (c *crossing) unruly(t *testing.T, engine string) {
	if err := os.RemoveAll(filepath.Join(c.cache, "build")); err != nil { // what the other engine's builds kept
		t.Fatal(err)
	}
	for _, u := range []struct {
		name string
		code int
		want string // in the story
	}{
		{"network", 7, "second.example.net"},
		{"failing", 1, "status 1"},
		{"killed", 1, "status 137"},
		{"stdin", 0, ""},
		{"background", 0, ""},
		{"loud", 0, ""},
		{"socket", 1, "socket"},
		{"outside", 1, "/etc/passwd"},
		{"spaces", 1, "a b"},
		{"replaced", 1, "in place of the folder"},
		{"hardlink", 0, ""},
		{"cached", 0, ""},
	} {
		t.Run(u.name, func(t *testing.T) {
			out := engine + "-" + u.name
			built, code, story := c.build(t, engine, "unruly.satchel", u.name, out)
			if code != u.code || !strings.Contains(story, u.want) {
				t.Errorf("exit status %d, want %d and %q in\n%s", code, u.code, u.want, story)
			}
			if _, err := os.Lstat(filepath.Join(c.dir, out)); (err == nil) != (u.code == 0) {
				t.Errorf("the result folder: %v", err)
			}
			if u.code == 0 {
				c.checkUnruly(t, u.name, out, built[0])
			}
		})
	}
	c.nothingLeft(t)
}

// checkUnruly looks at what the scripts that end well leave.
func (c *crossing) checkUnruly(t *testing.T, name, out string, b runner.Built) {
	var paths []string
	for _, o := range b.Outputs {
		paths = append(paths, o.Path)
		data := c.read(t, out, "out", o.Path)
		if manifest.Sum([]byte(data)) != o.SHA256 {
			t.Errorf("%s: its hash is not the one told", o.Path)
		}
	}
	switch name {
	case "stdin":
		if got := c.read(t, out, "out", "rest.txt"); got != "this line is data\n" {
			t.Errorf("the rest of the script is %q", got)
		}
	case "loud":
		if n := len(c.read(t, out, "logs", "bookworm-amd64-build.log")); n < 50000000 {
			t.Errorf("the log has %d bytes", n)
		}
	case "cached":
		again, code, story := c.build(t, strings.TrimSuffix(out, "-cached"), "unruly.satchel", "cached", out+"-again")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		if got := c.read(t, out+"-again", "out", "seen"); got != "common\nown\n" {
			t.Errorf("the second build found %q in its cache", got)
		}
		for _, want := range []string{"cache_common_manifest", "count", "deep/own"} {
			if !strings.Contains(c.read(t, out+"-again", again[0].Manifest.Path), want) {
				t.Errorf("the manifest does not tell of %s", want)
			}
		}
	case "hardlink":
		if want := []string{".dot", "a", "b", "c"}; !slices.Equal(paths, want) {
			t.Errorf("outputs %v, want %v", paths, want)
		}
	}
}

// same builds the examples in different places, at different times, with other
// umask, locale and time zone, on both engines: always the same hashes, and the
// same environment.
func (c *crossing) same(t *testing.T) {
	for _, name := range []string{"hello", "tally"} {
		first, code, story := c.build(t, "sandbox", name+".satchel", name, name+"-1")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		other := *c
		other.cache = filepath.Join(c.dir, "elsewhere", "deeper")
		other.env = []string{"TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8", "LANG=C", "HOME=/nonexistent", "EDITOR=vi"}
		old := syscall.Umask(0o077)
		second, code, story := other.build(t, "sandbox", name+".satchel", name, name+"-2", "-j", "1")
		syscall.Umask(old)
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		runs := map[string]runner.Built{"elsewhere": second[0]}
		if exec.Command("docker", "info").Run() == nil {
			third, code, story := c.build(t, "docker", name+".satchel", name, name+"-3")
			if code != 0 {
				t.Fatalf("exit status %d\n%s", code, story)
			}
			runs["docker"] = third[0]
		}
		for where, b := range runs {
			if !slices.Equal(b.Outputs, first[0].Outputs) || b.Manifest != first[0].Manifest {
				t.Errorf("%s, %s: outputs %v, want %v", name, where, b.Outputs, first[0].Outputs)
			}
			if !slices.Equal(b.Environments, first[0].Environments) {
				t.Errorf("%s, %s: environment %v, want %v", name, where, b.Environments, first[0].Environments)
			}
		}
	}
	if v := c.read(t, "tally-1", "out", "version.txt"); v != "v1.0\n" {
		t.Errorf("git describe answered %q", v)
	}
	if s := c.read(t, "tally-1", "out", "status.txt"); s != "" {
		t.Errorf("the checkout is not clean: %q", s)
	}
}

// image builds hello on top of a root tarball that mmdebstrap made: the same
// packages, so the same outputs and the same manifest.
func (c *crossing) image(t *testing.T) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		skip(t, "mmdebstrap is not installed")
	}
	base := filepath.Join(c.dir, "base.tar.gz")
	if out, err := exec.Command("mmdebstrap", "--variant=apt", "bookworm", base).CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, nil, "gather", hello, "--image", base, "-o", "image.satchel", "--sign", "key")
	built, code, story := c.build(t, "sandbox", "image.satchel", "hello", "image")
	if code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	if got, want := c.read(t, "image", built[0].Manifest.Path), c.read(t, "hello-1", "hello-res.yml"); got != want {
		t.Errorf("the result is another:\n%s\nwant\n%s", got, want)
	}
}

// readme runs the commands of README.md's "Use it" as they stand there.
func (c *crossing) readme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Use it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	dir := filepath.Join(c.dir, "readme")
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("set -euo pipefail\nmkdir -p %[1]s/bin %[1]s/.ssh\ncd %[1]s\nln -s %[2]s/examples\n"+
		"cp ../key .ssh/id_ed25519\ncp ../key.pub builders.pub\nln -s %[3]s bin/satchel\nexport HOME=%[1]s PATH=%[1]s/bin:$PATH\n", dir, top, c.binary)
	blocks := 0
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		if strings.HasPrefix(commands, "satchel ") { // the others build it
			script += commands
			blocks++
		}
	}
	if blocks < 2 {
		t.Fatalf("README.md shows %d blocks of satchel's commands", blocks)
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := c.read(t, "readme", "result", "hello-res.yml"), c.read(t, "hello-1", "hello-res.yml"); got != want {
		t.Errorf("the result is another:\n%s", got)
	}
}

// interrupted stops a run at several moments: exit code 130, no result, nothing left.
func (c *crossing) interrupted(t *testing.T) {
	for i, after := range []time.Duration{50, 400, 1500, 6000} {
		out := filepath.Join(c.dir, fmt.Sprintf("interrupted-%d", i))
		cmd := exec.Command(c.binary, "run", "hello.satchel", "--keyring", "key.pub", "--engine", "sandbox", "-o", out)
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+filepath.Join(c.dir, "interrupted"), asSatchel+"=1")
		var story bytes.Buffer
		cmd.Stderr = &story
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 && after > 50 {
			t.Errorf("after %d ms: %v, exit status %d, want 130\n%s", after, err, code, story.String())
		}
		if left, _ := filepath.Glob(filepath.Join(c.dir, "*interrupted-*")); len(left) != 0 {
			t.Errorf("after %d ms there is %v", after, left)
		}
	}
	for i, after := range []time.Duration{20, 100, 250, 500} {
		c.interruptGather(t, i, after)
	}
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, nil, "gather", hello, "-o", filepath.Join(c.dir, "again.satchel"), "--sign", filepath.Join(c.dir, "key"), "--cache", filepath.Join(c.dir, "gathering"))
	switch first, again := c.archives(t, "hello.satchel"), c.archives(t, "again.satchel"); {
	case first != again:
		t.Log("the archive has published something meanwhile; the two bundles cannot be compared")
	case c.read(t, "again.satchel") != c.read(t, "hello.satchel"):
		t.Error("gathered after interruptions the bundle is another")
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, ".satchel-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c.nothingLeft(t)
}

// archives is what a bundle says of the archives it was made from.
func (c *crossing) archives(t *testing.T, bundle string) string {
	t.Helper()
	var b bundleView
	if err := json.Unmarshal([]byte(c.must(t, nil, "inspect", "--json", bundle)), &b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(b.Lock.Archives)
}

// interruptGather stops a gather: no bundle, not even half of one.
func (c *crossing) interruptGather(t *testing.T, i int, after time.Duration) {
	out := filepath.Join(c.dir, fmt.Sprintf("gathered-%d.satchel", i))
	cmd := exec.Command(c.binary, "gather", "../../examples/hello/hello.yml", "-o", out, "--cache", filepath.Join(c.dir, "gathering"))
	cmd.Env = append(os.Environ(), asSatchel+"=1")
	var story bytes.Buffer
	cmd.Stderr = &story
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after * time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 && after > 20 {
		t.Errorf("after %d ms: exit status %d, want 130\n%s", after, code, story.String())
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*gathered-*")); len(left) != 0 {
		t.Errorf("after %d ms there is %v", after, left)
	}
}

// nothingLeft: no mount, process or container of a run is there any more.
func (c *crossing) nothingLeft(t *testing.T) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), c.dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	runs, _ := filepath.Glob(filepath.Join(c.dir, "*", "sandbox", "runs", "*"))
	if len(runs) > 0 {
		t.Errorf("runs are left: %v", runs)
	}
	if out, err := exec.Command("docker", "ps", "-a", "-q", "--filter", "label=org.satchel.run").Output(); err == nil && len(out) > 0 {
		t.Errorf("containers are left: %s", out)
	}
}

// full builds with its cache on a disk that is too small: an error that says
// so, and nothing half-made under a final name.
func (c *crossing) full(t *testing.T) {
	small := filepath.Join(c.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("satchel-test", small, "tmpfs", 0, "size=120m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	}()
	tight := *c
	tight.cache = filepath.Join(small, "cache")
	_, code, story := tight.build(t, "sandbox", "hello.satchel", "hello", "full")
	if code != 1 || !strings.Contains(story, "no space left on device") {
		t.Errorf("exit status %d, want 1 and the reason in\n%s", code, story)
	}
	if kept, _ := filepath.Glob(filepath.Join(tight.cache, "sandbox", "environments", "*")); len(kept) > 0 {
		t.Errorf("environments: %v", kept)
	}
	if _, err := os.Lstat(filepath.Join(c.dir, "full")); err == nil {
		t.Error("there is a result")
	}
	_, code, story = tight.satchel(t, nil, "gather", "hello.yml", "-o", filepath.Join(small, "hello.satchel"))
	if code == 0 {
		t.Errorf("a bundle fits where it cannot\n%s", story)
	}
	if left, _ := filepath.Glob(filepath.Join(small, "*.satchel*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// connects is an attempt to reach something outside, as strace prints it.
var connects = regexp.MustCompile(`(connect|sendto|sendmsg)\(.*sa_family=AF_INET6?, .*`)

// silent watches all system calls of verify and run, with the network of this
// machine within reach: neither satchel nor what it starts so much as tries.
func (c *crossing) silent(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		skip(t, "strace is not installed")
	}
	log := filepath.Join(c.dir, "strace.log")
	watch := []string{"strace", "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", log}
	c.must(t, watch, "verify", "hello.satchel", "--keyring", "key.pub")
	c.noConnects(t, log)
	c.must(t, watch, "run", "hello.satchel", "--keyring", "key.pub", "--engine", "sandbox", "-o", "watched")
	c.noConnects(t, log)
	text, code, story := c.satchel(t, watch, "run", "unruly.satchel", "--only", "network", "--keyring", "key.pub", "--engine", "sandbox", "-o", "watched-2")
	if code != 7 {
		t.Errorf("exit status %d\n%s%s", code, text, story)
	}
	if seen, err := os.ReadFile(log); err != nil || !connects.Match(seen) {
		t.Errorf("the watcher saw nothing of a script that asks for names, so it would see nothing at all: %v", err)
	}
}

// noConnects: no address but the container's own resolver was asked.
func (c *crossing) noConnects(t *testing.T, log string) {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range connects.FindAllString(string(b), -1) {
		if !strings.Contains(line, "127.0.0.1") {
			t.Errorf("satchel tried the network: %s", line)
		}
	}
}
