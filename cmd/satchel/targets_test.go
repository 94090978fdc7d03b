package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
	"satchel/runner/enginetest"
	"satchel/runner/machine"
)

// What gitian's descriptors ask of their targets, built for several: real i386,
// packages of a foreign architecture, alternatives, sudo, caches, one out.

// manyTargets are descriptors for three targets each; linux64 is amd64 by another name.
var manyTargets = map[string]string{
	"multi": `sudo: true
enable_cache: true
files: []
script: |
  {
    uname -m
    dpkg --print-architecture
    dpkg --print-foreign-architectures
    /lib/ld-linux.so.2 --version | head -n 1
    update-alternatives --query pager | grep -E '^(Status|Value)'
    readlink -f /usr/bin/pager
    sudo -n id -u 2>/dev/null || echo "no sudo"
    sudo -n cat /etc/sudoers.d/debian 2>/dev/null || true
    ls -A "$GBUILD_COMMON_CACHE" "$GBUILD_PACKAGE_CACHE"
    echo "$GBUILD_BITS ${#MAKEOPTS[@]} ${MAKEOPTS[0]} $NUM_PROCS $NUM_MEM $GBUILD_CACHE_ENABLED"
    compgen -v | grep -E '^(GBUILD|NUM|MAKE|REFERENCE)' | LC_ALL=C sort | tr '\n' ' '
  } > "$OUTDIR/seen-$(dpkg --print-architecture)"
  touch "$GBUILD_COMMON_CACHE/of-$(uname -m)" "$GBUILD_PACKAGE_CACHE/own-$(uname -m)"
`,
	"clash": "files: []\nscript: |\n  date +%s%N > $OUTDIR/moment\n",
}

// seenBy is what multi's script sees.
const seenBy = `<KERNEL>
<ARCH>
<FOREIGN>ld.so (Debian GLIBC
Status: manual
Value: /bin/more
/usr/bin/more
<SUDO>
/home/debian/cache/common:

/home/debian/cache/multi:
<BITS> 1 -j3 3 1500 1
GBUILD_BITS GBUILD_CACHE_ENABLED GBUILD_COMMON_CACHE GBUILD_PACKAGE_CACHE MAKEOPTS NUM_MEM NUM_PROCS REFERENCE_DATE REFERENCE_DATETIME REFERENCE_TIME `

func TestTargets(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "it takes root")
	}
	if release, _ := os.ReadFile("/etc/os-release"); !bytes.Contains(release, []byte("ID=debian")) {
		skip(t, "this machine's apt sources are not Debian's")
	}
	c := &targets{crossing: newCrossing(t), architectures: []string{"i386", "amd64", "linux64"}}
	if err := runs32(t); err != nil {
		c.architectures = c.architectures[1:]
		t.Run("i386", func(t *testing.T) { t.Skipf("no 32-bit programs run here, so nothing is built for i386: %v", err) })
	}
	c.gatherTargets(t)
	for _, engine := range []string{"sandbox", "docker"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "docker" && exec.Command("docker", "info").Run() != nil {
				skip(t, "no Docker daemon answers")
			}
			shared := *c.crossing
			shared.cache = filepath.Join(c.dir, engine+"-cache") // so that each prepares its environments
			own := targets{crossing: &shared, architectures: c.architectures}
			own.multi(t, engine)
		})
	}
}

// targets is a crossing for the architectures that this kernel can build for.
type targets struct {
	*crossing
	architectures []string
}

// runs32 says why no 32-bit program runs here.
func runs32(t *testing.T) error {
	t.Helper()
	for _, p := range (machine.Wants{I386: true}).Probes() {
		if p.Name == "32-bit programs" {
			_, err := p.Try(t.Context())
			return err
		}
	}
	t.Fatal("nothing asks for 32-bit programs")
	return nil
}

// gatherTargets makes targets.satchel. Mirrors are at times behind with i386's
// security updates, so those come from an archive of the test's own, which has none.
func (c *targets) gatherTargets(t *testing.T) {
	a := archivetest.New(t)
	a.Publish(t, archivetest.Suite{Archive: "debian-security", Name: "bookworm-security", Architectures: []string{"amd64", "i386"}})
	debian, err := os.ReadFile("/usr/share/keyrings/debian-archive-keyring.gpg")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(c.dir, "keys.gpg")
	if err := os.WriteFile(key, append(debian, a.Keyring(t)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(c.dir, "key")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := []string{"gather", "-o", "targets.satchel", "--sign", "key", "--base-packages", "locales,sudo",
		"--archive-keyring", key, "--mirror", "debian-security=" + a.Serve(t).URL + "/debian-security"}
	for name, rest := range manyTargets {
		text := "name: " + name + `
distro: debian
suites: [bookworm]
architectures: [` + strings.Join(c.architectures, ", ") + `]
multiarch: [i386]
packages: ["libc6:i386", "less"]
alternatives: [{package: pager, path: /bin/more}]
reference_datetime: "2022-12-29 12:00:00"
remotes: []
` + rest
		file := filepath.Join(c.dir, name+".yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	c.must(t, nil, args...)
}

// stepsOf is what a run tells of each target, in this order.
var stepsOf = map[string][]string{
	"i386": {"--- Building for bookworm i386 ---\n", "Set alternatives\n", "Running build script (log in logs/bookworm-i386-build.log)\n",
		"Grabbing results from target\n", "Grabbing cache from target\n"},
	"amd64":   {"--- Building for bookworm amd64 ---\n", "Adding multiarch support (log in logs/bookworm-amd64-install.log)\n"},
	"linux64": {"--- Building for bookworm linux64 ---\n", "Using the prepared environment\n"},
}

func (c *targets) multi(t *testing.T, engine string) {
	i386, last := c.architectures[0] == "i386", len(c.architectures)-1
	for _, sudo := range []bool{false, true} {
		if err := os.RemoveAll(filepath.Join(c.cache, "build")); err != nil {
			t.Fatal(err)
		}
		out, more, root := engine+"-multi", []string{"-j", "3", "-m", "1500"}, "no sudo"
		if sudo {
			out, more = out+"-sudo", append(more, "--allow-sudo", "--parallel", "2", "--log-level", "output", "--times")
			root = "0\n%debian ALL=(ALL) NOPASSWD: ALL"
		}
		built, code, story := c.build(t, engine, "targets.satchel", "multi", out, more...)
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		if built[0].Sudo != sudo || len(built[0].Environments) != last+1 || built[0].Environments[last-1] != built[0].Environments[last] {
			t.Errorf("built %+v", built[0])
		}
		for arch, words := range map[string][]string{"i386": {"<KERNEL>", "i686", "<FOREIGN>", "", "<BITS>", "32"}, "amd64": {"<KERNEL>", "x86_64", "<FOREIGN>", "i386\n", "<BITS>", "64"}} {
			if arch == "i386" && !i386 {
				continue
			}
			want := strings.NewReplacer(append(words, "<ARCH>", arch, "<SUDO>", root)...).Replace(seenBy)
			if !i386 {
				want = strings.Replace(want, "ld.so (Debian GLIBC\n", "", 1)
			}
			got := regexp.MustCompile(`(?m)^(ld.so \(Debian GLIBC).*$`).ReplaceAllString(c.read(t, out, "out", "seen-"+arch), "$1")
			if got != want {
				t.Errorf("sudo %v, %s: the script saw\n%s\nwant\n%s", sudo, arch, got, want)
			}
		}
		var named, told []string
		for _, arch := range c.architectures {
			named = append(named, "  - bookworm-"+arch+": ")
			told = append(told, stepsOf[arch]...)
		}
		c.order(t, c.read(t, out, "multi-res.yml"), named...)
		if !sudo {
			c.order(t, story, append(told, "Generating report\n", "Done.\n")...)
			continue
		}
		if !regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d bookworm-linux64: \+ uname -m$`).MatchString(story) {
			t.Errorf("what the script printed is not told:\n%s", story)
		}
		if log := c.read(t, out, "logs", "bookworm-linux64-build.log"); !strings.Contains(log, "\n+ uname -m\n") {
			t.Errorf("the log is not what the script printed:\n%s", log)
		}
	}
	var kept []string
	for _, arch := range c.architectures {
		list, _ := filepath.Glob(filepath.Join(c.cache, "build", "debian-bookworm-"+arch, "*", "*"))
		for _, p := range list {
			rel, _ := filepath.Rel(filepath.Join(c.cache, "build"), p)
			kept = append(kept, rel)
		}
	}
	var want []string
	for _, arch := range c.architectures {
		kernel := "x86_64"
		if arch == "i386" {
			kernel = "i686"
		}
		want = append(want, "debian-bookworm-"+arch+"/common/of-"+kernel, "debian-bookworm-"+arch+"/multi/own-"+kernel)
	}
	if !slices.Equal(kept, want) {
		t.Errorf("kept in the caches: %q, want %q", kept, want)
	}
	_, code, story := c.build(t, engine, "targets.satchel", "clash", engine+"-clash")
	if want := fmt.Sprintf(`keeping result "out/moment" of bookworm-%s: bookworm-%s wrote another file of that name`, c.architectures[1], c.architectures[0]); code != 1 || !strings.Contains(story, want) {
		t.Errorf("exit status %d, want 1 and %q in\n%s", code, want, story)
	}
}

// i386 for real where this kernel runs no 32-bit programs: built by another one, in a machine
// that is emulated.
func TestI386Elsewhere(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("a machine is emulated for many minutes: set SATCHEL_FULL=1")
	}
	if release, _ := os.ReadFile("/etc/os-release"); !bytes.Contains(release, []byte("ID=debian")) {
		skip(t, "this machine's apt sources are not Debian's")
	}
	c := &targets{crossing: newCrossing(t), architectures: []string{"i386"}}
	c.gatherTargets(t)
	dir := filepath.Join(c.dir, "machine")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{c.binary, filepath.Join(c.dir, "targets.satchel"), filepath.Join(c.dir, "key.pub")} {
		enginetest.Copy(t, path, dir)
	}
	t.Setenv("IN_VM_MEMORY", "3000")
	out, err := enginetest.InMachine(t, dir, "bash", "-c", "export SATCHEL_CACHE=/work/cache "+asSatchel+"=1; ./"+filepath.Base(c.binary)+
		" run targets.satchel --keyring key.pub --engine sandbox --only multi -j 3 -m 1500 -o result && echo == && cat result/out/seen-i386 && echo && echo == && cat result/multi-res.yml")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	parts := strings.Split(out, "\n==\n")
	if len(parts) != 3 {
		t.Fatalf("%d parts, want 3", len(parts))
	}
	want := strings.NewReplacer("<KERNEL>", "i686", "<ARCH>", "i386", "<FOREIGN>", "", "<SUDO>", "no sudo", "<BITS>", "32").Replace(seenBy)
	if got := regexp.MustCompile(`(?m)^(ld.so \(Debian GLIBC).*$`).ReplaceAllString(parts[1], "$1"); got != want {
		t.Errorf("the script saw\n%s\nwant\n%s", got, want)
	}
	c.order(t, parts[0]+"\n", append(stepsOf["i386"], "Generating report\n", "Done.\n")...)
	c.order(t, parts[2], "  seen-i386\n", "  - bookworm-i386: ", "libc6_2.36", "_i386.deb", "of-i686", "own-i686")
}

// order wants lines in a text one after the other.
func (c *crossing) order(t *testing.T, text string, lines ...string) {
	t.Helper()
	rest := text
	for _, line := range lines {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Errorf("%q is missing, or too early, in\n%s", line, text)
			return
		}
		rest = after
	}
}
