package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// again reproduces a build from what its result says, and is not fooled by one
// that says another thing; with SATCHEL_FULL also when no archive is left to vouch.
func (c *crossing) again(t *testing.T) {
	const result = "tally-1/tally-res.yml"
	c.built(t, "tally")
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	reproduce := func(t *testing.T, name, from string, more ...string) (code int, story string) {
		t.Helper()
		args := append([]string{"lock", filepath.Join(examples, "tally/tally.yml"), "-u", "tally=" + filepath.Join(c.dir, "tally.git"),
			"--from-assert", from, "-o", name + ".lock"}, more...)
		c.must(t, nil, args...)
		c.must(t, nil, "gather", "--lock", name+".lock", "-o", name+".satchel", "--sign", "key")
		c.must(t, nil, "verify", name+".satchel", "--keyring", "key.pub")
		_, code, story = c.satchel(t, offline(), "run", name+".satchel", "--keyring", "key.pub", "--engine", "sandbox", "-o", name)
		return code, story
	}
	t.Run("reproduced", func(t *testing.T) {
		code, story := reproduce(t, "again", result)
		if code != 0 || !strings.Contains(story, "Reproduced: ") {
			t.Errorf("exit status %d\n%s", code, story)
		}
		if got, want := c.read(t, "again", "tally-res.yml"), c.read(t, result); got != want {
			t.Errorf("the result is\n%s\nwant\n%s", got, want)
		}
	})
	t.Run("another output", func(t *testing.T) {
		text := c.read(t, result)
		hash := strings.Fields(text[strings.Index(text, "out_manifest"):])[2]
		if err := os.WriteFile(filepath.Join(c.dir, "false-res.yml"), []byte(strings.Replace(text, hash, strings.Repeat("1", 64), 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, story := reproduce(t, "false", "false-res.yml"); code != exitDiffer || strings.Contains(story, "Reproduced: ") {
			t.Errorf("exit status %d, want %d\n%s", code, exitDiffer, story)
		}
	})
	t.Run("no archive", func(t *testing.T) {
		if os.Getenv("SATCHEL_FULL") == "" {
			t.Skip("it prepares an environment of its own: set SATCHEL_FULL=1")
		}
		code, story := reproduce(t, "alone", result, "--trust-assert", "--mirrors-only", "--mirror", "debian=http://127.0.0.1:9/debian", "--mirror", "debian-security=http://127.0.0.1:9/security")
		if code != 0 || !strings.Contains(story, "Reproduced: ") || !strings.Contains(story, "are in no index of an archive") {
			t.Errorf("exit status %d\n%s", code, story)
		}
	})
}
