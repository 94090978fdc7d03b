package archivetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Apt is the real apt with folders of its own: nothing is installed, and it
// knows no archive but those it is told of. It trusts what a source's signed-by
// names, and any failure to update is an error.
type Apt struct {
	Dir  string
	Wrap []string // words before each command, such as unshare --net --
}

// NewApt makes one for amd64 with the lines of a sources.list. Without apt on
// this machine the test is skipped, and in CI fails.
func NewApt(t testing.TB, sources string) *Apt {
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
			"APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\nAPT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n"+
			"Acquire::Languages \"none\";\nAPT::Update::Error-Mode \"any\";\n", a.Dir+"/", a.Dir),
	} {
		if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// Run runs apt-get or apt-cache and returns all that it said.
func (a *Apt) Run(program string, args ...string) (string, error) {
	words := append(append(append([]string{}, a.Wrap...), program), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.Dir+"/apt.conf", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
