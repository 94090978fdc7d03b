package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror"
)

// TestGitianBase: the base packages of every suite are those that gitian's own
// make-base-vm installs, but for what boots a machine and lets people in; it is
// given a docker that builds nothing. Besides, apt has to be there where a base is
// made of packages, and lucid calls git by another name.
func TestGitianBase(t *testing.T) {
	tool := gitianTool(t, "make-base-vm")
	w := newWorld(t)
	docker := w.write(t, "bin/docker", "#!/bin/sh\n")
	if err := os.Chmod(docker, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, distro := range []string{"debian", "ubuntu"} {
		for _, name := range aptmirror.SuiteNames(distro) {
			cmd := exec.Command("sh", tool, "--docker", "--distro", distro, "--suite", name)
			cmd.Dir, cmd.Env = w.dir, append(os.Environ(), "PATH="+filepath.Dir(docker)+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			file, err := os.ReadFile(filepath.Join(w.dir, "docker", "base-"+name+"-amd64.Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			_, list, ok := strings.Cut(string(file), "apt-get --no-install-recommends -y install ")
			line, _, _ := strings.Cut(list, "\n")
			want := slices.DeleteFunc(append(strings.Fields(line), "apt"), func(p string) bool {
				return slices.Contains([]string{"linux-image-generic", "grub", "grub-pc", "openssh-server"}, p)
			})
			if i := slices.Index(want, "git"); i >= 0 && name == "lucid" {
				want[i] = "git-core"
			}
			slices.Sort(want)
			if s, _ := aptmirror.Lookup(distro, name); !ok || !slices.Equal(s.BasePackages, want) {
				t.Errorf("%s: the table has %q, gitian installs %q", name, s.BasePackages, want)
			}
		}
	}
}
