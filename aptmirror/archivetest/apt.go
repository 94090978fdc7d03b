package archivetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Apt is the real apt with folders of its own: nothing is installed, and it
// knows no archive but those it is told of. It trusts what a source's signed-by
// names, and any failure to update is an error.
type Apt struct {
	Dir  string
	Wrap []string // words before each command, such as unshare --net --
}

// NewApt makes one for amd64, and other architectures beside it, with the lines of
// a sources.list. Without apt on this machine the test is skipped, and in CI fails.
func NewApt(t testing.TB, sources string, foreign ...string) *Apt {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		if os.Getenv("SATCHEL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no apt to ask")
	}
	a := &Apt{Dir: t.TempDir()}
	for _, d := range []string{"state/lists/partial", "etc/apt.conf.d", "etc/preferences.d", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"status": "", "etc/sources.list": sources,
		"apt.conf": fmt.Sprintf("Dir %q;\nDir::State \"state\";\nDir::State::status \"%[2]s/status\";\nDir::Etc \"etc\";\nDir::Cache \"cache\";\nDir::Log \"log\";\n"+
			"APT::Architecture \"amd64\";\nAPT::Architectures { \"%[3]s\"; };\nAPT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n"+
			"Acquire::Languages \"none\";\nAPT::Update::Error-Mode \"any\";\n", a.Dir+"/", a.Dir, strings.Join(append([]string{"amd64"}, foreign...), `"; "`)),
	} {
		if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// Install has apt decide what to install, beside what it decided before, and notes
// that as installed. It returns name, version and architecture of each.
func (a *Apt) Install(args ...string) ([]string, error) {
	out, err := a.Run("apt-get", append([]string{"install", "--simulate", "--yes"}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var all []string
	show := []string{"show", "--no-all-versions"}
	replaced := map[string]bool{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line) // Inst NAME[:ARCH] [OLD] (VERSION ORIGIN… [ARCH])
		at := slices.IndexFunc(f, func(w string) bool { return strings.HasPrefix(w, "(") })
		last := slices.IndexFunc(f, func(w string) bool { return strings.HasSuffix(w, ")") })
		if len(f) < 3 || at < 0 || last < 0 || f[0] != "Inst" {
			continue
		}
		name, _, _ := strings.Cut(f[1], ":")
		version, arch := f[at][1:], strings.Trim(f[last], "[])")
		all = append(all, name+" "+version+" "+arch)
		show = append(show, name+":"+strings.Replace(arch, "all", "amd64", 1)+"="+version)
		replaced[name+" "+arch] = true
	}
	if len(all) == 0 {
		return nil, nil
	}
	stanzas, err := a.Run("apt-cache", show...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stanzas)
	}
	return all, a.installed(stanzas, replaced)
}

// installed puts stanzas into the status file, in the place of those of the same
// names and architectures.
func (a *Apt) installed(stanzas string, replaced map[string]bool) error {
	name := filepath.Join(a.Dir, "status")
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var text strings.Builder
	for i, part := range []string{string(old), stanzas} {
		for s := range strings.SplitSeq(part, "\n\n") {
			s = strings.TrimSpace(s)
			_, after, _ := strings.Cut("\n"+s, "\nPackage: ")
			_, arch, _ := strings.Cut(s, "\nArchitecture: ")
			pkg, _, _ := strings.Cut(after, "\n")
			arch, _, _ = strings.Cut(arch, "\n")
			if s == "" || i == 0 && replaced[pkg+" "+arch] {
				continue
			}
			if i == 1 {
				s += "\nStatus: install ok installed"
			}
			text.WriteString(s + "\n\n")
		}
	}
	return os.WriteFile(name, []byte(text.String()), 0o644)
}

// Run runs apt-get or apt-cache and returns all that it said.
func (a *Apt) Run(program string, args ...string) (string, error) {
	words := append(append(append([]string{}, a.Wrap...), program), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.Dir+"/apt.conf", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
