package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"satchel/aptmirror/archivetest"
)

// judgeJSON reads lines of SCHEMA, NAME and FILE and asks a validator that is none of
// ours about each; what it says is printed.
const judgeJSON = `
import json, pathlib, sys
from jsonschema import Draft202012Validator, RefResolver
docs = pathlib.Path(sys.argv[1])
schemas = {p.name: json.loads(p.read_text()) for p in docs.glob("*.schema.json")}
for s in schemas.values():
    Draft202012Validator.check_schema(s)
for line in sys.stdin:
    schema, name, file = line.rstrip("\n").split("\t")
    s = schemas[schema + ".schema.json"]
    v = Draft202012Validator(s, resolver=RefResolver(s["$id"], s, store=schemas))
    for e in v.iter_errors(json.load(open(file))):
        print(name + ": " + "/".join(map(str, e.absolute_path)) + ": " + e.message[:300])
`

// jsonJudge collects what --json printed; several tests may hand it over at once.
type jsonJudge struct {
	dir   string
	mu    sync.Mutex
	lines strings.Builder
	seen  map[string]int // by schema
}

func newJSONJudge(t *testing.T) *jsonJudge {
	return &jsonJudge{dir: t.TempDir(), seen: map[string]int{}}
}

// add notes a document that a schema of docs must allow.
func (j *jsonJudge) add(t *testing.T, schema, name, text string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[schema]++
	file := filepath.Join(j.dir, fmt.Sprint(schema, "-", j.seen[schema]))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&j.lines, "%s\t%s\t%s\n", schema, name, file)
}

// ask returns what the validator says, "" if all is well.
func (j *jsonJudge) ask(t *testing.T, docs string) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import jsonschema").Run(); err != nil {
		skip(t, "python3-jsonschema is not installed")
	}
	cmd := exec.Command(python, "-W", "ignore", "-c", judgeJSON, docs)
	cmd.Stdin = strings.NewReader(j.lines.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestJSON: what each verb prints with --json is what docs say of it.
func TestJSON(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		skip(t, "gpg is not installed")
	}
	w := newWorld(t, "alice")
	w.policy(t, "alice")
	a := newArchive(t, archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "2.0-1", "Depends: base\n"))
	w.write(t, "archive.gpg", string(a.Keyring(t)))
	w.write(t, "tool.yml", strings.ReplaceAll(toolDescriptor, "'", `"`))
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(w.dir, "key"))
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	result := withProvenance(t, resultText, "1")
	t.Chdir(w.dir)
	online := []string{"--archive-keyring", "archive.gpg", "--apt-sources", "apt", "--mirrors-only", "--mirror", "debian=" + a.URL + "/debian", "--mirror", "debian-security=" + a.URL + "/debian-security"}
	satchel := func(want int, args ...string) string {
		t.Helper()
		var out, story bytes.Buffer
		if code := command(args, &ui{out: &out, err: &story}); code != want {
			t.Fatalf("satchel %q: exit status %d, want %d\n%s", args, code, want, story.String())
		}
		return out.String()
	}
	satchel(exitDone, append([]string{"gather", "tool.yml", "-o", "tool.satchel", "--sign", "key", "--base-packages", "base"}, online...)...)
	satchel(exitDone, append([]string{"lock", "tool.yml", "-o", "tool.lock", "--base-packages", "base"}, online...)...)
	// A result of it, and a lock and a bundle that reproduce it from another archive.
	lock, err := readLock("tool.lock")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(pAssert, strings.Repeat("3", 64)+"  p-desc", hashOf(strings.ReplaceAll(toolDescriptor, "'", `"`))+"  tool-desc")
	var debs strings.Builder
	for _, p := range lock.Targets[0].Packages {
		fmt.Fprintf(&debs, "      %s  %s_%s_%s.deb\n", p.SHA256.Hex(), p.Name, p.Version, p.Architecture)
	}
	text = strings.Replace(text, "'"+strings.Repeat("4", 64)+"  gcc-7_7.4_amd64.deb\n\n      '\n", "|\n"+debs.String(), 1)
	text = strings.Replace(text, "name: p", "name: tool", 1)
	file := w.put(t, "alice", text, "-u", "alice")
	w.put(t, "bob", strings.Replace(text, pSum, strings.Repeat("1", 64), 1))
	for _, s := range []string{"alice", "bob"} { // the assert is of tool
		for _, ext := range []string{"", ".sig"} {
			old := filepath.Join(w.dir, "sigs/1.0", s, "p-build.assert"+ext)
			if err := os.Rename(old, strings.Replace(old, "p-build", "tool-build", 1)); err != nil && s == "alice" {
				t.Fatal(err)
			}
		}
	}
	file = strings.Replace(file, "p-build", "tool-build", 1)
	dead := append([]string{}, online...)
	dead[len(dead)-1], dead[len(dead)-3] = "debian-security="+a.URL+"/nowhere", "debian="+a.URL+"/nowhere"
	satchel(exitDone, append([]string{"gather", "tool.yml", "-o", "again.satchel", "--from", "tool.satchel", "--from-assert", file, "--assert-keyring", "keys", "--trust-assert"}, dead...)...)
	satchel(exitMissing, append([]string{"lock", "tool.yml", "-o", "x.lock", "--needs", "tool.needs", "--cache", "empty", "--from-assert", file, "--trust-assert"}, dead...)...)
	j := newJSONJudge(t)
	for _, x := range []struct {
		schema string
		want   int
		args   []string
	}{
		{"descriptor", exitDone, []string{"inspect", "tool.yml"}},
		{"lock", exitDone, []string{"inspect", "tool.lock"}},
		{"bundle", exitDone, []string{"inspect", "tool.satchel"}},
		{"bundle", exitDone, []string{"inspect", "again.satchel"}},
		{"needs", exitDone, []string{"inspect", "tool.needs"}},
		{"result", exitDone, []string{"inspect", file}},
		{"result", exitDone, []string{"inspect", filepath.Join(result, "p-res.yml")}},
		{"verify", exitDone, []string{"verify", "tool.satchel", "--keyring", "key.pub"}},
		{"verify", exitDone, []string{"verify", "again.satchel", "--unsigned"}},
		{"why", exitDone, []string{"why", "base", "tool.satchel"}},
		{"attest", exitDone, []string{"attest", result, "--signer", "zoe", "--release", "1.0", "-d", "mine", "--dry-run"}},
		{"attest", exitDone, []string{"attest", result, "--signer", "zoe", "--release", "1.0", "-d", "mine", "--key", "key"}},
		{"attest", exitDone, []string{"attest", result, "--signer", "zoe", "--release", "1.0", "-d", "mine", "--no-sign"}},
		{"provenance", exitDone, []string{"verify", filepath.Join(result, "p-provenance.intoto.jsonl"), "--keyring", "key.pub"}},
		{"provenance", exitDone, []string{"verify", filepath.Join(result, "p-provenance.intoto.jsonl"), "--unsigned"}},
		{"compare", exitDiffer, []string{"compare", "sigs", "--keyring", "keys"}},
		{"compare", exitIncomparable, []string{"compare", file}},
		{"check", exitDone, []string{"check", "a.tar", "--against", "sigs", "--policy", "policy.yaml"}},
		{"check", exitNotVerified, []string{"check", "tool.yml", "--against", "sigs", "--policy", "policy.yaml"}},
		{"clean", exitDone, []string{"clean", "--dry-run"}},
	} {
		args := append(x.args, "--json")
		j.add(t, x.schema, fmt.Sprintf("satchel %q", args), satchel(x.want, args...))
	}
	for _, args := range [][]string{{"doctor", "--json"}, {"doctor", "again.satchel", "--json"}} {
		var out, story bytes.Buffer
		command(args, &ui{out: &out, err: &story}) // well or not
		j.add(t, "doctor", fmt.Sprintf("satchel %q", args), out.String())
	}
	if bad := j.ask(t, docs); bad != "" {
		t.Errorf("the schemas do not allow it:\n%s", bad)
	}
	// A validator that allows everything would be none.
	j.add(t, "check", "a wrong one", `{"file":1,"good":true,"places":[{"x":1}]}`)
	if bad := j.ask(t, docs); strings.Count(bad, "a wrong one: ") < 4 {
		t.Errorf("a wrong document: got %q", bad)
	}
	if len(j.seen) < 12 {
		t.Errorf("only these schemas were asked: %v", j.seen)
	}
}
