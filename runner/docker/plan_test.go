package docker

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-units"
	"github.com/google/go-cmp/cmp"

	"satchel/runner"
)

// All that a daemon is asked for, to the last field: a new one is a decision.
func TestPlan(t *testing.T) {
	got, err := newPlan(runner.Container{Hostname: "box", Memory: 1 << 30, Processes: 99, CPUs: 3}, setting{
		image: "sha256:1", name: "satchel-2", labels: map[string]string{"a": "b"}, filter: "{}", cpus: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	no, processes := false, int64(99)
	want := plan{
		name: "satchel-2",
		config: &container.Config{
			Hostname: "box", User: "0:0", AttachStdin: true, AttachStdout: true, AttachStderr: true,
			OpenStdin: true, StdinOnce: true, Image: "sha256:1", WorkingDir: "/",
			Env:         []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Entrypoint:  []string{"/.satchel/init"},
			Cmd:         []string{"sandbox-init", "enter"},
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
			Labels:      map[string]string{"a": "b"},
		},
		host: &container.HostConfig{
			LogConfig: container.LogConfig{Type: "none"}, NetworkMode: "none", IpcMode: "private", CgroupnsMode: "private",
			RestartPolicy: container.RestartPolicy{Name: "no"},
			CapDrop:       []string{"ALL"},
			CapAdd: []string{"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
				"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"},
			DNS: []string{"127.0.0.1"}, DNSSearch: []string{"."}, ExtraHosts: []string{"box:127.0.1.1"},
			OomScoreAdj: 500, SecurityOpt: []string{"no-new-privileges", "seccomp={}"}, ShmSize: 256 << 20, Init: &no,
			Resources: container.Resources{
				Memory: 1 << 30, MemorySwap: 1 << 30, PidsLimit: &processes, NanoCPUs: 3e9,
				Ulimits: []*units.Ulimit{{Name: "core"}, {Name: "stack", Soft: 8 << 20, Hard: -1}},
			},
		},
		network: &network.NetworkingConfig{},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(plan{})); d != "" {
		t.Errorf("the plan differs (-want +got):\n%s", d)
	}
	loose, err := newPlan(runner.Container{}, setting{sudo: true})
	if err != nil || len(loose.host.SecurityOpt) != 0 || *loose.host.PidsLimit != runner.DefaultProcesses(0) {
		t.Errorf("with sudo: %q, %v", loose.host.SecurityOpt, err)
	}
	// Podman is asked for no limits of its own, and for what Docker does unasked.
	podman, err := newPlan(runner.Container{}, setting{podman: true})
	if err != nil || podman.host.Ulimits != nil || podman.host.Sysctls["net.ipv6.conf.lo.disable_ipv6"] != "1" {
		t.Errorf("for Podman: %+v, %v", podman.host, err)
	}
	// A daemon refuses a limit above what its machine has.
	if all, err := newPlan(runner.Container{CPUs: 8}, setting{cpus: 4}); err != nil || all.host.NanoCPUs != 0 {
		t.Errorf("eight of four processors: %d, %v", all.host.NanoCPUs, err)
	}
}

// Should a daemon give a container a network, the init does not start.
func TestNetworkRefused(t *testing.T) {
	probe := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-o", probe, "satchel/runner/enginetest/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e, err := New(Options{Init: probe, Name: "satchelnettest", Client: []client.Opt{client.FromEnv}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("no docker daemon: ", err)
	}
	t.Cleanup(func() {
		items, _ := e.Items(context.Background())
		for _, i := range items {
			e.Discard(context.Background(), i)
		}
	})
	image, err := e.initImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := e.newName()
	plan, err := newPlan(runner.Container{}, setting{image: image, name: name, labels: map[string]string{e.label(labelRun): name}})
	if err != nil {
		t.Fatal(err)
	}
	plan.host.NetworkMode = "bridge"
	p := &process{engine: e, stderr: runner.Tail{Max: runner.LastWords}, id: name, done: make(chan struct{}), copied: make(chan struct{})}
	defer p.Close()
	if err := p.create(t.Context(), plan); err != nil {
		t.Skip("this daemon has no bridge: ", err)
	}
	said, _ := io.ReadAll(p.Stdout())
	code, err := p.Wait()
	if code != 125 || err == nil || !strings.Contains(err.Error(), "network") || len(said) > 0 {
		t.Errorf("in a container with a network: %q, %d, %v", said, code, err)
	}
}

// A program that runs is not taken for gone, one that has ended is, and of
// programs elsewhere nothing is said.
func TestOwner(t *testing.T) {
	me := owner()
	if me == "" {
		t.Skip("this system does not tell")
	}
	if ownerGone(me) || !ownerHere(me) {
		t.Error("this program has gone, it says")
	}
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	place, _, _ := strings.Cut(me, ".")
	other := place + "." + strconv.Itoa(c.Process.Pid) + "." + startTime(c.Process.Pid)
	if ownerGone(other) || !ownerHere(other) {
		t.Error("a running program has gone, it says")
	}
	c.Process.Kill()
	c.Wait()
	if !ownerGone(other) || ownerHere(other) {
		t.Error("a program that has ended has not gone, it says")
	}
	for _, elsewhere := range []string{"", "x", "0011223344556677" + me[16:], place + ".x.1", place + ".1", place + ".-1.1"} {
		if ownerGone(elsewhere) || ownerHere(elsewhere) {
			t.Errorf("%q has gone, or not, it says", elsewhere)
		}
	}
}

// Podman calls a machine by Go's name.
func TestMachineName(t *testing.T) {
	for said, want := range map[string]string{"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64", "s390x": "s390x"} {
		if got := machineName(said); got != want {
			t.Errorf("%s: %s, want %s", said, got, want)
		}
	}
}
