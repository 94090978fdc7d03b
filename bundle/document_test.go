package bundle

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// byHand gives the commands of the specification's section on checking a
// bundle by hand, as one script.
func byHand(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"../OFFLINE.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, section, _ := strings.Cut(string(text), "\n## 5. Checking a bundle by hand\n")
		section, _, _ = strings.Cut(section, "\n## ")
		section, _, _ = strings.Cut(section, "\n### ") // the command's tests go on there, with real packages
		parts := strings.Split(section, "```sh\n")
		var script strings.Builder
		for _, p := range parts[1:] {
			commands, _, ok := strings.Cut(p, "\n```")
			if !ok {
				t.Fatalf("%s: a block of commands has no end", name)
			}
			script.WriteString(commands + "\n")
		}
		if script.Len() > 0 {
			return script.String()
		}
	}
	t.Fatal("the specification has no commands")
	return ""
}

// TestCheckByHand runs the commands of the specification on a sound bundle, and
// on bundles that are not.
func TestCheckByHand(t *testing.T) {
	for _, name := range []string{"bash", "tar", "jq", "ssh-keygen", "gpgv", "sha256sum"} {
		tool(t, name)
	}
	script := byHand(t)
	fix := newFixture(t)
	alice, pub := keyPair(t)
	mallory, _ := keyPair(t)
	good := fix.write(t, alice)
	evil := newFixture(t)
	evil.lock.Targets[0].Packages[0].Blob = evil.blobs.add([]byte("evil"))
	foreign := newFixture(t)
	a := newArchive(t)
	foreign.lock.Archives[0].Keyring = foreign.blobs.add(a.keyring(t))
	changed := bytes.Clone(good)
	changed[open(t, good).front.end+blockSize] ^= 1
	x := takeApart(t, good)
	tests := map[string]struct {
		data []byte
		ok   bool
	}{
		"sound":             {good, true},
		"two signatures":    {fix.write(t, alice, mallory), true},
		"not trusted":       {fix.write(t, mallory), false},
		"not signed":        {fix.write(t), false},
		"changed":           {changed, false},
		"extra":             {x.join(append([][]byte{entryWith(blobName(blobOf([]byte("x")).SHA256), []byte("x"), '0')}, x.bulk...)...), false},
		"missing":           {x.join(x.bulk[1:]...), false},
		"escaping":          {x.join(append(x.bulk, entryWith("../evil", []byte("x"), '0'))...), false},
		"not published":     {evil.write(t, alice), false},
		"not archive's key": {foreign.write(t, alice), false},
	}
	for name, tt := range tests {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "hello.satchel"), tt.data)
		writeFile(t, filepath.Join(dir, "allowed_signers"), []byte("alice@example.org "+pub+"\n"))
		cmd := exec.Command("bash", "-eo", "pipefail", "-c", "less() { cat \"$@\" > /dev/null; }\n"+script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C", "GNUPGHOME="+dir)
		out, err := cmd.CombinedOutput()
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok: %v\n%s", name, err, tt.ok, out)
		}
		if tt.ok && !strings.Contains(string(out), open(t, tt.data).Identity().String()) {
			t.Errorf("%s: the identity is not among the output:\n%s", name, out)
		}
		// Whatever the commands say, verify says too.
		_, _, err = open(t, tt.data).Verify(t.Context(), Policy{AllowedSigners: signers(t, pub), Threshold: 1}, nil)
		if (err == nil) != tt.ok {
			t.Errorf("%s: Verify says %v, want ok: %v", name, err, tt.ok)
		}
	}
}
