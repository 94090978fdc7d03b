package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"satchel/runner/enginetest"
	"satchel/runner/probe"
)

// A patient is a machine that is broken for real, in namespaces of its own: a
// shell in them breaks it, asks doctor, does what doctor says, and asks again.
type patient struct {
	t       *testing.T
	program string
	dir     string // may be read by everybody
	user    *syscall.Credential
	attr    *syscall.SysProcAttr
	as      string // what runs doctor, a prefix of its command
}

func newPatient(t *testing.T, ranges bool) *patient {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "it takes root")
	}
	if f, err := elf.Open("/proc/self/exe"); err != nil || f.Section(".interp") != nil {
		skip(t, "the test's own binary is the init inside, so it must be static: run with CGO_ENABLED=0")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{t: t, attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}}
	p.user, p.dir = enginetest.User(t, ranges)
	p.program = enginetest.Copy(t, self, p.dir)
	return p
}

// ordinary lets doctor be asked by the user.
func (p *patient) ordinary() *patient {
	p.as = fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups --", p.user.Uid, p.user.Gid)
	return p
}

// treat breaks the machine, and runs the remedies' commands that contain cure
// between the first and the second time that doctor is asked.
func (p *patient) treat(breakIt, flags, cure string) (sick, well checkup) {
	p.t.Helper()
	doctor := fmt.Sprintf("env %s=1 %s %s doctor --json %s", asSatchel, p.as, p.program, flags)
	script := "set -e\nmount --make-rprivate /\n" + breakIt + "\n" + doctor + " >sick || [ $? = 1 ]\n"
	if cure != "" {
		script += "cure=$(jq -re --arg cure '" + cure + "' '[.areas[].findings[].mend[].command | select(contains($cure))][0]' sick)\n" +
			"eval \"$cure\"\n" + doctor + " >well || [ $? = 1 ]\n"
	}
	c := exec.Command("sh", "-c", script)
	c.Dir, c.SysProcAttr = p.dir, p.attr
	c.Env = append(os.Environ(), "HOME="+p.dir, "SATCHEL_CACHE="+p.dir+"/cache")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		p.t.Fatalf("%v\n%s", err, said.String())
	}
	for name, to := range map[string]*checkup{"sick": &sick, "well": &well} {
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		if name == "well" && cure == "" {
			continue
		}
		if err == nil {
			err = json.Unmarshal(text, to)
		}
		if err != nil {
			p.t.Fatalf("reading what doctor printed: %v\n%s\n%s", err, text, said.String())
		}
	}
	return sick, well
}

// of is one finding of a checkup.
func (k *checkup) of(t *testing.T, area, name string) probe.Finding {
	t.Helper()
	for _, a := range k.Areas {
		i := slices.IndexFunc(a.Findings, func(f probe.Finding) bool { return f.Name == name })
		if a.Name == area && i >= 0 {
			return a.Findings[i]
		}
	}
	t.Fatalf("doctor says nothing of %s %s: %+v", area, name, k.Areas)
	return probe.Finding{}
}

// wants checks a verdict and that the finding has certain words.
func (k *checkup) wants(t *testing.T, area, name string, verdict probe.Verdict, words ...string) {
	t.Helper()
	f := k.of(t, area, name)
	text := fmt.Sprint(f.Found, " ", f.Mend)
	for _, w := range words {
		if f.Verdict != verdict || !strings.Contains(text, w) {
			t.Errorf("%s %s: %s, %s; want %s with %q", area, name, f.Verdict, text, verdict, w)
		}
	}
	if f.Why == "" || (verdict == probe.Fails || verdict == probe.Warning) && len(f.Mend) == 0 {
		t.Errorf("%s %s: no reason or no remedy: %+v", area, name, f)
	}
}

// Machines that are broken for real: doctor says what is wrong, and what it says
// does mend it.
func TestDoctorMends(t *testing.T) {
	t.Run("no user namespaces", func(t *testing.T) {
		p := newPatient(t, true).ordinary()
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1<<32 - 1}}
		p.attr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true}
		sick, well := p.treat("echo 0 > /proc/sys/user/max_user_namespaces", "--engine sandbox", "sysctl -w")
		sick.wants(t, "sandbox", "user namespace", probe.Fails, "/proc/sys/user/max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=15000")
		sick.wants(t, "sandbox", "container", probe.NotTried, "user namespace")
		well.wants(t, "sandbox", "container", probe.OK, "")
		if sick.Works || !well.Works || well.Engine != "sandbox" {
			t.Errorf("before: %v, after: %v with %q", sick.Works, well.Works, well.Engine)
		}
	})
	t.Run("no id ranges", func(t *testing.T) {
		p := newPatient(t, false).ordinary()
		sick, well := p.treat("mount -t tmpfs tmpfs /mnt && mkdir -m 755 /mnt/up /mnt/work && mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc", "--engine sandbox", "usermod")
		sick.wants(t, "sandbox", "id ranges", probe.Fails, "/etc/subuid gives", "usermod --add-subuids")
		well.wants(t, "sandbox", "id ranges", probe.OK, "users ")
		well.wants(t, "sandbox", "container", probe.OK, "")
	})
	t.Run("no id ranges, and no name", func(t *testing.T) {
		p := newPatient(t, false).ordinary()
		hide := "cp /etc/passwd passwd && sed -i '/:x:" + fmt.Sprint(p.user.Uid) + ":/d' passwd && chmod 644 passwd && mount --bind passwd /etc/passwd && " +
			"cp /etc/subuid /etc/subgid . && chmod 644 subuid subgid && mount --bind subuid /etc/subuid && mount --bind subgid /etc/subgid"
		sick, well := p.treat(hide, "--engine sandbox", "tee -a")
		sick.wants(t, "sandbox", "id ranges", probe.Fails, "/etc/subuid gives", fmt.Sprintf("echo %d:", p.user.Uid))
		well.wants(t, "sandbox", "id ranges", probe.OK, "users ")
	})
	t.Run("no newuidmap", func(t *testing.T) {
		p := newPatient(t, true).ordinary()
		sick, _ := p.treat("mount -t tmpfs tmpfs /mnt && : >/mnt/no && mount --bind /mnt/no /usr/bin/newuidmap && mount --bind /mnt/no /usr/bin/newgidmap", "--engine sandbox", "")
		sick.wants(t, "sandbox", "newuidmap", probe.Fails, "newuidmap is not installed", "apt-get install uidmap", "dnf install shadow-utils")
	})
	t.Run("a program of root's", func(t *testing.T) {
		p := newPatient(t, true).ordinary()
		// setpriv may still start it, with the rights that it then loses
		sick, well := p.treat("chmod 700 "+p.program, "--engine sandbox", "chmod 755")
		sick.wants(t, "sandbox", "user namespace", probe.Fails, "this user may not run "+p.program+" again")
		well.wants(t, "sandbox", "container", probe.OK, "")
	})
	t.Run("full disk", func(t *testing.T) {
		p := newPatient(t, true)
		sick, _ := p.treat("mkdir cache && mount -t tmpfs -o size=1m tmpfs cache", "", "")
		sick.wants(t, "machine", "cache folder", probe.Fails, "tmpfs, 1.0 MiB free", "--cache")
		sick.wants(t, "sandbox", "state folder", probe.Fails, "no space left on device", "--cache")
		sick.wants(t, "sandbox", "container", probe.NotTried, "state folder")
		if sick.Works {
			t.Error("a full disk is said to do")
		}
	})
	t.Run("full of environments", func(t *testing.T) {
		p := newPatient(t, true).ordinary()
		// What a killed preparation leaves in the state folder, then no room.
		old := "cache/sandbox/environments/" + strings.Repeat("ab", 32)
		sick, well := p.treat("mkdir cache && mount -t tmpfs -o size=120m,mode=777 tmpfs cache && "+p.as+" mkdir -p "+old+"/rootfs && "+
			p.as+" chmod 700 cache/sandbox && "+p.as+" dd if=/dev/zero of="+old+"/rootfs/big bs=1M status=none || true\n"+
			"satchel() { env "+asSatchel+"=1 "+p.as+" "+p.program+" \"$@\" --engine sandbox; }", "--engine sandbox", "satchel clean")
		sick.wants(t, "sandbox", "state folder", probe.Fails, "no space left on device", "satchel clean")
		if sick.Works || !well.Works {
			t.Errorf("before: %v, after: %+v", sick.Works, well)
		}
	})
	t.Run("read-only folder", func(t *testing.T) {
		p := newPatient(t, true)
		sick, well := p.treat("mkdir cache && mount -t tmpfs -o ro tmpfs cache", "--engine sandbox", "remount,rw")
		sick.wants(t, "machine", "cache folder", probe.Fails, "mounted read-only", "mount -o remount,rw '"+p.dir+"/cache'")
		sick.wants(t, "sandbox", "state folder", probe.Fails, "read-only file system")
		if !well.Works {
			t.Errorf("it stays so: %+v", well)
		}
	})
	t.Run("noexec", func(t *testing.T) {
		sick, _ := newPatient(t, true).treat("mkdir cache && mount -t tmpfs -o noexec tmpfs cache", "--engine sandbox", "")
		sick.wants(t, "sandbox", "container", probe.Fails, "noexec", "--cache")
	})
	t.Run("dead socket", func(t *testing.T) {
		sick, _ := newPatient(t, true).treat("export DOCKER_HOST=unix:///nowhere/docker.sock", "", "")
		sick.wants(t, "docker", "daemon", probe.Fails, "unix:///nowhere/docker.sock", "unset DOCKER_HOST")
		if !sick.Works || sick.Engine != "sandbox" {
			t.Errorf("the sandbox does not work any more: %+v", sick)
		}
	})
	t.Run("hidden control groups", func(t *testing.T) {
		p := newPatient(t, true)
		sick, well := p.treat("mount -t tmpfs tmpfs /sys/fs/cgroup", "--engine sandbox", "umount")
		sick.wants(t, "sandbox", "limits", probe.Warning, "something is mounted over them", "umount /sys/fs/cgroup")
		if !sick.Works {
			t.Error("builds work without control groups, too")
		}
		well.wants(t, "sandbox", "limits", probe.OK, "memory")
	})
	t.Run("no proc", func(t *testing.T) {
		sick, well := newPatient(t, true).treat("umount -l /proc", "--engine sandbox", "mount -t proc")
		sick.wants(t, "sandbox", "program", probe.Fails, "/proc/self/exe", "mount -t proc proc /proc")
		if sick.Works || !well.Works {
			t.Errorf("before: %v, after: %v", sick.Works, well.Works)
		}
	})
}

// doctor says of a bundle what running it has taken: the environment that is kept
// is no larger than what was said, and half of it at least.
func (c *crossing) doctor(t *testing.T) {
	built, code, story := c.build(t, "sandbox", "unruly.satchel", "contract", "doctored")
	if code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	ask := func(want int, args ...string) (k checkup) {
		t.Helper()
		out, code, story := c.satchel(t, offline(), append([]string{"doctor", "unruly.satchel", "--only", "contract", "--engine", "sandbox", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &k); err != nil || code != want || k.Works != (want == 0) {
			t.Fatalf("exit status %d, want %d, %v\n%s%s", code, want, err, out, story)
		}
		return k
	}
	k := ask(0, "--keyring", "key.pub")
	k.wants(t, "bundle", "signatures", probe.OK, "SHA256:")
	k.wants(t, "bundle", "disk", probe.OK, "has ")
	said := k.Bundle.Demand
	list, err := filepath.Glob(filepath.Join(c.cache, "sandbox", "environments", built[0].Environments[0].Key.Hex()))
	if err != nil || len(list) != 1 {
		t.Fatalf("the environment: %q, %v", list, err)
	}
	out, err := exec.Command("du", "-s", "-B1", list[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	var took int64
	if _, err := fmt.Sscan(string(out), &took); err != nil {
		t.Fatal(err)
	}
	if said.Estimated != 0 || said.Environments < took || said.Environments > 2*took {
		t.Errorf("the environment was to take %d bytes, of %d packages by estimate; it takes %d", said.Environments, said.Estimated, took)
	}
	t.Logf("environment: %d said, %d taken", said.Environments, took)

	k = ask(0)
	k.wants(t, "bundle", "signatures", probe.Warning, "nobody was asked for")
	if d := k.Bundle.Demand; d.Estimated == 0 || d.Environments < took || d.Environments > 4*took {
		t.Errorf("by estimate: %+v, it takes %d", d, took)
	}
	t.Logf("by estimate: %d", k.Bundle.Demand.Environments)
	other := filepath.Join(c.dir, "other.pub")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", strings.TrimSuffix(other, ".pub")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k = ask(1, "--keyring", other)
	k.wants(t, "bundle", "signatures", probe.Fails, "its key is not in the keyring")
	k = ask(1, "-m", "100000000")
	k.wants(t, "machine", "memory", probe.Fails, "-m ")
	if _, code, story := c.satchel(t, nil, "doctor", "hello.satchel", "--only", "nobody"); code != 2 || !strings.Contains(story, "no such descriptor") {
		t.Errorf("exit status %d\n%s", code, story)
	}
}
