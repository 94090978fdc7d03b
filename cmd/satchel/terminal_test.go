package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"satchel/aptmirror/archivetest"
)

// TestBar: a bar is drawn on a terminal, and nowhere else.
func TestBar(t *testing.T) {
	a := newArchive(t, archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "2.0-1", "Depends: base\n"))
	dir := t.TempDir()
	key := filepath.Join(dir, "archive.gpg")
	if err := os.WriteFile(key, a.Keyring(t), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "name: tool\ndistro: debian\nsuites: [bookworm]\narchitectures: [amd64]\npackages: [tool]\n" +
		"reference_datetime: \"2020-01-01 00:00:00\"\nremotes: []\nfiles: []\nscript: |\n  true\n"
	if err := os.WriteFile(filepath.Join(dir, "tool.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	gather := func(name string, more ...string) *exec.Cmd {
		cmd := exec.Command(self, append([]string{"gather", "tool.yml", "-o", name + ".satchel", "--cache", name, "--base-packages", "base", "--archive-keyring", key,
			"--mirror", "debian=" + a.URL + "/debian", "--mirror", "debian-security=" + a.URL + "/debian-security", "--mirrors-only"}, more...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), asSatchel+"=1", "TERM=xterm")
		return cmd
	}
	onTerminal := func(name string, more ...string) string {
		t.Helper()
		cmd := gather(name, more...)
		tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 30})
		if err != nil {
			t.Fatal(err)
		}
		defer tty.Close()
		seen, _ := io.ReadAll(tty) // ends with EIO when the program does
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, seen)
		}
		return string(seen)
	}
	if seen := onTerminal("seen"); !strings.Contains(seen, "packing") || !strings.Contains(seen, "seen.satchel") {
		t.Errorf("on a terminal there is no bar:\n%q", seen)
	}
	if seen := onTerminal("taken", "--from", "seen.satchel"); !strings.Contains(seen, "taking") {
		t.Errorf("there is no bar while content is taken from a bundle:\n%q", seen)
	}
	if seen := onTerminal("quiet", "-q"); strings.Contains(seen, "packing") || strings.Contains(seen, "Reading") {
		t.Errorf("told to be quiet it says:\n%q", seen)
	}
	var out, story bytes.Buffer
	cmd := gather("piped")
	cmd.Stdout, cmd.Stderr = &out, &story
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, story.String())
	}
	if strings.ContainsAny(out.String()+story.String(), "\x1b\r") || strings.Contains(story.String(), "packing") {
		t.Errorf("without a terminal there is a bar:\n%q\n%q", out.String(), story.String())
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("the answer has %d lines, want 1:\n%s", lines, out.String())
	}
}
