package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
	umask  string       // of the satchels; that of the tests if it is ""
	pids   map[int]bool // of the satchels that were started
	judge  *jsonJudge   // of what real runs print with --json
	made   map[string]runner.Built

	took time.Duration // by the last one
	peak int64         // of its own memory, in bytes, as often as it was looked at
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
	// Much of it is waiting, so two rows go on side by side. Neither has anything of
	// the other's, but for the bundles; Docker's parts are all in the second.
	rows := [][]part{
		{
			{"sandbox", func(c *crossing, t *testing.T) { c.engine(t, "sandbox") }},
			{"rootless", (*crossing).rootless}, {"image", (*crossing).image}, {"readme", (*crossing).readme},
			{"ubuntu", (*crossing).ubuntu}, {"apt", (*crossing).apt},
			{"disk full", (*crossing).full}, {"disk filled", (*crossing).smallBuild}, {"silent", (*crossing).silent}, {"doctor", (*crossing).doctor},
		},
		{
			{"docker", func(c *crossing, t *testing.T) { c.engine(t, "docker") }},
			{"same", (*crossing).same}, {"again", (*crossing).again}, {"codesigned", (*crossing).codesigned},
			{"interrupted", (*crossing).interrupted}, {"killed", (*crossing).killed},
			{"seeds", (*crossing).seeds}, {"clean", (*crossing).clean},
		},
	}
	owns := []*crossing{c, c.beside(t)} // made before any row changes what is copied
	var all sync.WaitGroup
	for i, row := range rows {
		own := owns[i]
		all.Go(func() {
			for _, p := range row {
				t.Run(p.name, func(t *testing.T) { p.do(own, t) })
			}
		})
	}
	all.Wait()
	t.Run("json", c.json)
	t.Run("overheads", c.overheads) // measures, and wants to be alone
}

// json asks the validator about what the runs of all parts have printed; where no part did,
// it has one of each kind printed.
func (c *crossing) json(t *testing.T) {
	for schema, more := range map[string][]string{"run": nil, "twice": {"--twice", "--apart", "1s"}} {
		if c.judge.seen[schema] > 0 {
			continue
		}
		args := append([]string{"run", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--only", "stdin", "-o", "json-" + schema, "--json"}, more...)
		c.judge.add(t, schema, fmt.Sprintf("satchel %q", args), c.must(t, offline(), args...))
	}
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	if bad := c.judge.ask(t, docs); bad != "" {
		t.Errorf("the schemas do not allow it:\n%s", bad)
	}
}

// part is one of TestCrossing's.
type part struct {
	name string
	do   func(*crossing, *testing.T)
}

// engine is what each engine must do.
func (c *crossing) engine(t *testing.T, engine string) {
	if engine == "docker" && exec.Command("docker", "info").Run() != nil {
		skip(t, "no Docker daemon answers")
	}
	t.Run("contract", func(t *testing.T) { c.contract(t, engine) })
	t.Run("unruly", func(t *testing.T) { c.unruly(t, engine) })
	t.Run("after", func(t *testing.T) { c.after(t, engine) })
	t.Run("flood", func(t *testing.T) { c.flood(t, engine) })
	t.Run("small", func(t *testing.T) { c.smallResult(t, engine) })
	t.Run("killed anywhere", func(t *testing.T) { c.killedAnywhere(t, engine) })
	t.Run("shell", func(t *testing.T) { c.shell(t, engine) })
	t.Run("twice", func(t *testing.T) {
		if engine == "docker" && os.Getenv("SATCHEL_FULL") == "" {
			t.Skip("six builds with this daemon take minutes: set SATCHEL_FULL=1")
		}
		c.twice(t, engine)
	})
}

// beside is a crossing with a folder and a cache of its own, and the same key,
// bundles and descriptors.
func (c *crossing) beside(t *testing.T) *crossing {
	other := newCrossing(t)
	other.judge = c.judge
	if out, err := exec.Command("cp", "-a", c.dir+"/.", other.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
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
	c := &crossing{dir: t.TempDir(), binary: self, pids: map[int]bool{}, judge: newJSONJudge(t), made: map[string]runner.Built{}}
	c.cache = filepath.Join(c.dir, "cache")
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// satchel runs the command and returns what it printed, the exit code, and what it told.
func (c *crossing) satchel(t *testing.T, wrap []string, args ...string) (out string, code int, story string) {
	t.Helper()
	words := slices.Clone(wrap)
	if c.umask != "" {
		words = append(words, underUmask(c.umask)...)
	}
	words = append(words, c.binary)
	words = append(words, args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), append([]string{"SATCHEL_CACHE=" + c.cache, asSatchel + "=1"}, c.env...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Start()
	if err == nil {
		c.pids[cmd.Process.Pid] = true
		peak := watchMemory(cmd.Process.Pid)
		err = cmd.Wait()
		c.took, c.peak = time.Since(begin), peak()
	}
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatalf("running %v: %v", words, err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), stderr.String()
}

// underUmask begins a command that has a umask of its own. The tests themselves keep
// theirs, which is one for all that go on side by side.
func underUmask(mask string) []string {
	return []string{"sh", "-c", "umask " + mask + ` && exec "$@"`, "sh"}
}

// watchMemory looks at how much a process itself has taken at most, its children not
// counted, until peak is called, which answers in bytes.
func watchMemory(pid int) (peak func() int64) {
	most, stop := int64(0), make(chan bool)
	look := func() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); err == nil && ok {
			kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
				most = max(most, n<<10)
			}
		}
	}
	go func() {
		for {
			select {
			case stop <- true:
				return
			case <-time.After(20 * time.Millisecond):
				look()
			}
		}
	}()
	return func() int64 { <-stop; return most }
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
		c.judge.add(t, "run", fmt.Sprintf("satchel %q", args), text)
	}
	return built, code, story
}

// built is an example as root builds it in the sandbox, in NAME-1: the first part that asks
// has it built, so that each part can be run alone.
func (c *crossing) built(t *testing.T, name string) runner.Built {
	t.Helper()
	if _, ok := c.made[name]; !ok {
		built, code, story := c.build(t, "sandbox", name+".satchel", name, name+"-1")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		c.made[name] = built[0]
	}
	return c.made[name]
}

func (c *crossing) read(t *testing.T, name ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{c.dir}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same builds the examples in different places, at different times, with other
// umask, locale and time zone, on both engines: always the same hashes, and the
// same environment.
func (c *crossing) same(t *testing.T) {
	for _, name := range []string{"hello", "tally"} {
		first := c.built(t, name)
		other := *c
		if name == "hello" || os.Getenv("SATCHEL_FULL") != "" { // and once more an environment
			other.cache = filepath.Join(c.dir, "elsewhere", "deeper")
		}
		other.env = []string{"TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8", "LANG=C", "HOME=/nonexistent", "EDITOR=vi"}
		other.umask = "077"
		second, code, story := other.build(t, "sandbox", name+".satchel", name, name+"-2", "-j", "1", "--expect", name+"-1/"+name+"-res.yml")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		runs := map[string]runner.Built{"elsewhere": second[0]}
		full := os.Getenv("SATCHEL_FULL") != ""
		if (name == "hello" || full) && exec.Command("docker", "info").Run() == nil {
			third, code, story := c.build(t, "docker", name+".satchel", name, name+"-3")
			if code != 0 {
				t.Fatalf("exit status %d\n%s", code, story)
			}
			runs["docker"] = third[0]
			if full { // otherwise its environment is the sandbox's
				runs["docker alone"] = c.alone(t, name)
			}
		}
		for where, b := range runs {
			if !slices.Equal(b.Outputs, first.Outputs) || b.Manifest != first.Manifest {
				t.Errorf("%s, %s: outputs %v, want %v", name, where, b.Outputs, first.Outputs)
			}
			if !slices.Equal(b.Environments, first.Environments) {
				t.Errorf("%s, %s: environment %v, want %v", name, where, b.Environments, first.Environments)
			}
		}
		c.explained(t, name, first)
	}
	if v := c.read(t, "tally-1", "out", "version.txt"); v != "v1.0\n" {
		t.Errorf("git describe answered %q", v)
	}
	git := exec.Command("git", "-C", filepath.Join(c.dir, "tally.git"), "log", "-1", "--date=format-local:%F %T", "--format=%ad", "v1.0")
	git.Env = append(os.Environ(), "TZ=UTC") // as gbuild asks
	date, err := git.Output()
	if log := c.read(t, "tally-1", "logs", "bookworm-amd64-build.log"); err != nil || !strings.Contains(log, "+ REFERENCE_DATETIME='"+strings.TrimSpace(string(date))+"'\n") {
		t.Errorf("the reference time is not %q, %v, that of the author of the last remote's commit", date, err)
	}
	if s := c.read(t, "tally-1", "out", "status.txt"); s != "" {
		t.Errorf("the checkout is not clean: %q", s)
	}
}

// alone builds with a daemon as if it were on another machine, where it must
// prepare the environment itself.
func (c *crossing) alone(t *testing.T, name string) runner.Built {
	t.Helper()
	c.must(t, nil, "clean", "--engine", "docker", "--kind", "environment")
	far := *c
	far.env = []string{"DOCKER_HOST=" + forward(t, "/var/run/docker.sock")}
	text, code, story := far.satchel(t, nil, "run", name+".satchel", "--keyring", "key.pub", "--engine", "docker", "--only", name, "-o", name+"-4", "--json")
	var built []runner.Built
	if code != 0 || json.Unmarshal([]byte(text), &built) != nil || len(built) != 1 {
		t.Fatalf("exit status %d\n%s\n%s", code, text, story)
	}
	if strings.Contains(story, "Handing the environment to docker") {
		t.Error("a daemon elsewhere got the environment from here")
	}
	return built[0]
}

// forward listens on loopback for a socket, and returns the address.
func forward(t *testing.T, socket string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", socket)
			if err != nil {
				from.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				io.Copy(to, from)
				if half, ok := to.(interface{ CloseWrite() error }); ok {
					half.CloseWrite()
				}
			}
			go pipe(from, to)
			go pipe(to, from)
		}
	}()
	return "tcp://" + l.Addr().String()
}
