//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/aptmirror/deb"
	"satchel/manifest"
)

// harnessEnv makes the test binary play a part: "enter" is the engine's last
// step before the init, "init" is the init, "list" lists a tree.
const harnessEnv = "SATCHEL_TEST_PART"

// scriptsEnv is more, a line each, for the environment of dpkg and the packages'
// scripts.
const scriptsEnv = "SATCHEL_TEST_SCRIPTS"

func init() {
	switch os.Getenv(harnessEnv) {
	case "enter":
		fmt.Fprintf(os.Stderr, "entering the root: %v\n", enterRoot(os.Getenv("SATCHEL_TEST_ROOT")))
		os.Exit(125)
	case "list":
		os.Exit(listTree())
	case "init":
		if more := os.Getenv(scriptsEnv); more != "" {
			scriptEnv = append(scriptEnv, strings.Split(more, "\n")...)
		}
		var args []string
		if len(os.Args) > 2 {
			args = os.Args[2:] // after "guest"
		}
		os.Exit(Main(args, os.Stdin, os.Stdout, os.Stderr))
	}
}

// dockerCaps are the capabilities that Docker leaves a container's root.
var dockerCaps = map[uintptr]bool{
	unix.CAP_CHOWN: true, unix.CAP_DAC_OVERRIDE: true, unix.CAP_FOWNER: true, unix.CAP_FSETID: true,
	unix.CAP_KILL: true, unix.CAP_SETGID: true, unix.CAP_SETUID: true, unix.CAP_SETPCAP: true,
	unix.CAP_NET_BIND_SERVICE: true, unix.CAP_SYS_CHROOT: true, unix.CAP_MKNOD: true,
	unix.CAP_AUDIT_WRITE: true, unix.CAP_SETFCAP: true,
}

// enterRoot does what an engine does: mounts, chroot, fewer capabilities, and
// the init as process 1.
func enterRoot(root string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, m := range []struct{ fs, dir string }{{"proc", "proc"}, {"tmpfs", "dev"}, {"sysfs", "sys"}} {
		dir := filepath.Join(root, m.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fs, dir, m.fs, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.fs, err)
		}
	}
	unix.Umask(0)
	for i, n := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		dev := unix.Mkdev(1, [...]uint32{3, 5, 7, 8, 9, 0}[i])
		if n == "tty" {
			dev = unix.Mkdev(5, 0)
		}
		if err := unix.Mknod(filepath.Join(root, "dev", n), unix.S_IFCHR|0o666, int(dev)); err != nil {
			return err
		}
	}
	if err := unix.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if !dockerCaps[c] {
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		}
	}
	env := []string{harnessEnv + "=init"}
	for _, name := range []string{scriptsEnv, "GOMAXPROCS"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return syscall.Exec("/.satchel/init", []string{"init", "guest"}, env)
}

// needRoot skips a test that has to make namespaces.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
}

// skip skips, but fails where everything has to run.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SATCHEL_CI") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// prepared is what a run of the init gave.
type prepared struct {
	root    string
	out     Outcome
	log     string
	listing string
	steps   []string
	took    time.Duration
	cpu     time.Duration // of the init and all it ran
	peak    int64         // bytes, of the largest of them
}

// prepareIn runs a plan as process 1 of namespaces of its own in root.
func prepareIn(t *testing.T, root string, plan *Prepare, debs []string) prepared {
	t.Helper()
	return initIn(t, root, func(w io.Writer) error { return sendPrepare(w, plan, nil, debs) })
}

func initIn(t *testing.T, root string, send func(io.Writer) error) prepared {
	t.Helper()
	return initWith(t, root, initRun{send: send, started: func(int) {}, logged: func(string) {}})
}

// initRun is what a test has to do with an init that runs.
type initRun struct {
	send    func(io.Writer) error
	started func(pid int)
	logged  func(text string) // all of the install log so far
	env     []string          // more for the init: scriptsEnv, GOMAXPROCS
}

func initWith(t *testing.T, root string, run initRun) prepared {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if linked(t) {
		skip(t, "the test's own binary is the init inside, so it must be static: run with CGO_ENABLED=0")
	}
	if err := os.MkdirAll(filepath.Join(root, ".satchel"), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, ".satchel/init"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append([]string{harnessEnv + "=enter", "SATCHEL_TEST_ROOT=" + root}, run.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		skip(t, "cannot make namespaces: "+err.Error())
	}
	run.started(cmd.Process.Pid)
	sent := make(chan error, 1)
	go func() {
		err := run.send(in)
		if errors.Is(err, errHostGone) { // as when satchel is killed
			in.Close()
			err = nil
		}
		sent <- err
	}()
	p := prepared{root: root}
	var log, listing strings.Builder
	p.out, err = ReadFrames(stdout, Limits{Log: 1 << 30, Listing: 1 << 30, Tar: 1 << 30}, func(k Kind, b []byte) error {
		switch k {
		case KindInstallLog:
			log.Write(b)
			run.logged(log.String())
		case KindListing:
			listing.Write(b)
		case KindStep:
			p.steps = append(p.steps, fmt.Sprintf("%6.2f %s", time.Since(start).Seconds(), b))
		case KindDone:
			in.Close() // only now, as the host does
		}
		return nil
	})
	in.Close()
	werr := cmd.Wait()
	p.log, p.listing, p.took = log.String(), listing.String(), time.Since(start)
	if err != nil {
		t.Fatalf("reading frames: %v (%v)\n%s\n%s", err, werr, stderr.String(), p.log)
	}
	p.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	p.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	if serr := <-sent; serr != nil && p.out.Error == "" {
		t.Fatalf("sending: %v", serr)
	}
	return p
}

// linked tells whether the test's binary needs a loader that a new root lacks.
func linked(t *testing.T) bool {
	t.Helper()
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Section(".interp") != nil
}

// errHostGone ends the stream before the outcome.
var errHostGone = errors.New("the host is gone")

// sendPrepare writes the stream of a preparation.
func sendPrepare(w io.Writer, plan *Prepare, layers, debs []string) error {
	tw := tar.NewWriter(w)
	b, err := json.Marshal(Plan{Prepare: plan})
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: PlanName, Mode: 0o644, Size: int64(len(b))}); err != nil {
		return err
	}
	if _, err := tw.Write(b); err != nil {
		return err
	}
	for i, l := range layers {
		if err := sendFile(tw, fmt.Sprintf("layer/%d", i), l); err != nil {
			return err
		}
	}
	order := plan.Stream()
	for i := len(order); i < len(debs); i++ { // more than there should be
		order = append(order, i)
	}
	for _, i := range order {
		if i >= len(debs) { // fewer
			break
		}
		if err := sendFile(tw, fmt.Sprintf("deb/%d", i), debs[i]); err != nil {
			return err
		}
	}
	return tw.Close()
}

func sendFile(tw *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: st.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// blobOf measures a file.
func blobOf(t *testing.T, file string) manifest.Blob {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Blob{SHA256: manifest.Sum(b), Size: int64(len(b))}
}

// planOf makes a plan of some .deb files, in the order given.
func planOf(t *testing.T, debs []string) *Prepare {
	t.Helper()
	plan := &Prepare{
		Recipe: Recipe, Distro: "debian", Suite: "bookworm", Architecture: "amd64", MergedUsr: true,
		Epoch: 1_790_000_000, User: "debian",
	}
	for _, d := range debs {
		f, err := os.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		p, err := deb.Open(f, stageLimits)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		plan.Packages = append(plan.Packages, Deb{
			Name: p.Control.Get("Package"), Version: p.Control.Get("Version"),
			Architecture: p.Control.Get("Architecture"), Blob: blobOf(t, d),
		})
	}
	return plan
}
