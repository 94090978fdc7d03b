package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seed runs one of the scripts for people who come from other builders, in dir,
// with what is first in its PATH.
func seed(t *testing.T, dir, bin string, env []string, name string, args ...string) (out, story string, code int) {
	t.Helper()
	script, err := filepath.Abs(filepath.Join("../../scripts", name))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(script, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), append([]string{"PATH=" + bin + ":" + os.Getenv("PATH")}, env...)...)
	var o, s bytes.Buffer
	c.Stdout, c.Stderr = &o, &s
	err = c.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return o.String(), s.String(), c.ProcessState.ExitCode()
}

// fakeSatchel is a folder with a satchel that writes its words into $SEEN, a
// line each, and ends with status $FAIL when its verb is $AT. inspect prints
// what the file beside the descriptor says.
func fakeSatchel(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	text := "#!/bin/sh\nif [ \"$1\" = inspect ]; then cat \"$2.table\"; exit; fi\nfor a; do printf '<%s>' \"$a\"; done >>\"$SEEN\"\necho >>\"$SEEN\"\n[ \"$1\" != \"${AT-$1}\" ] || exit \"${FAIL-0}\"\n"
	if err := os.WriteFile(filepath.Join(bin, "satchel"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

// words is a command line as fakeSatchel writes it.
func words(args ...string) string {
	if len(args) == 0 {
		return ""
	}
	return "<" + strings.Join(args, "><") + ">\n"
}

// Each script passes its words on as they are, whatever is in them, and its
// command's exit code back.
func TestSeedScripts(t *testing.T) {
	bin := fakeSatchel(t)
	odd := []string{"a b", "$(touch x)", "*", "--x=y z", "it's", `"`, "\\", ""}
	for _, c := range []struct {
		name  string
		args  []string
		calls []string // nil: none, and a usage error
	}{
		{"build_builder", nil, nil},
		{"build_builder", []string{"x.yml"}, []string{"gather", "-o", "builder.satchel", "x.yml"}},
		{"build_builder", []string{"x.yml", "-o", "y.satchel"}, []string{"gather", "x.yml", "-o", "y.satchel"}},
		{"build_builder", []string{"--output=y.satchel", "x.yml"}, []string{"gather", "--output=y.satchel", "x.yml"}},
		{"build_builder", odd, append([]string{"gather", "-o", "builder.satchel"}, odd...)},
		{"run_builder", nil, []string{"run", "builder.satchel"}},
		{"run_builder", []string{"--keyring", "k", "-j", "4"}, []string{"run", "builder.satchel", "--keyring", "k", "-j", "4"}},
		{"run_builder", odd, append([]string{"run"}, odd...)},
		{"run_builder_console", nil, []string{"shell", "builder.satchel"}},
		{"run_builder_console", []string{"--unsigned", "--root", "--", "ls", "-l"}, []string{"shell", "builder.satchel", "--unsigned", "--root", "--", "ls", "-l"}},
		{"run_builder_console", odd, append([]string{"shell"}, odd...)},
		{"move_and_sign_manifest", nil, nil},
		{"move_and_sign_manifest", []string{"r", "--signer", "a b"}, []string{"attest", "r", "--signer", "a b"}},
		{"remove_all_containers", nil, []string{"clean", "--kind", "run,failed"}},
		{"remove_all_containers", []string{"--dry-run"}, []string{"clean", "--kind", "run,failed", "--dry-run"}},
		{"remove_all_images", nil, []string{"clean", "--kind", "environment,init"}},
		{"remove_all_images", odd, append([]string{"clean", "--kind", "environment,init"}, odd...)},
	} {
		for _, fail := range []int{0, 7} {
			dir := t.TempDir()
			seen := filepath.Join(dir, "seen")
			_, story, code := seed(t, dir, bin, []string{"SEEN=" + seen, fmt.Sprint("FAIL=", fail)}, c.name, c.args...)
			got, _ := os.ReadFile(seen)
			want := fail
			if c.calls == nil {
				want = 2
			}
			if string(got) != words(c.calls...) || code != want {
				t.Errorf("%s %q: exit status %d, want %d, calls %q\n%s", c.name, c.args, code, want, got, story)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "x")); len(left) > 0 {
				t.Errorf("%s %q ran one of its words", c.name, c.args)
			}
		}
	}
}

// Each script says what it is for, and which command it stands for, without one.
func TestSeedHelp(t *testing.T) {
	empty := t.TempDir()
	for _, name := range []string{"build_builder", "run_builder", "run_builder_console", "build_all_the_things", "move_and_sign_manifest", "remove_all_containers", "remove_all_images"} {
		out, story, code := seed(t, empty, empty, nil, name, "--help")
		if code != 0 || !strings.Contains(out, "scripts/"+name) || !strings.Contains(out, "stands for\n  satchel ") || story != "" || strings.Contains(out, "set -") {
			t.Errorf("%s --help: exit status %d\n%s%s", name, code, out, story)
		}
	}
}

// project makes a checkout with descriptors, and beside each what inspect says.
func project(t *testing.T, name string, tables map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	at := filepath.Join(dir, "contrib", "gitian-descriptors")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	for platform, table := range tables {
		name := filepath.Join(at, "gitian-"+platform+".yml")
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.WriteFile(name+".table", []byte(table), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBuildAllTheThings(t *testing.T) {
	bin := fakeSatchel(t)
	const remote = "remote  coin  https://example.org/coin.git  \n"
	dir := project(t, "my project", map[string]string{
		"linux": "descriptor  coin-linux\nremote  pinned  https://example.org/p.git  0123456789\n" + remote,
		"win":   remote + "file  known.tar.gz\nfile  here.tar.gz\n",
		"osx":   remote + "file  MacOSX10.11.sdk.tar.gz\n",
	})
	at := filepath.Join(dir, "contrib", "gitian-descriptors")
	if err := os.WriteFile(filepath.Join(at, "satchel.yaml"), []byte("files:\n  known.tar.gz: {source-package: known}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	yml := func(p string) string { return filepath.Join(at, "gitian-"+p+".yml") }
	work := t.TempDir()
	inputs := filepath.Join(work, "in puts")
	if err := errors.Join(os.Mkdir(inputs, 0o755), os.WriteFile(filepath.Join(inputs, "here.tar.gz"), nil, 0o644), os.MkdirAll(filepath.Join(work, "old", "out"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  []string
		env   []string
		code  int
		calls string
		said  string
	}{
		"no project":       {nil, nil, 2, "", "stands for"},
		"another platform": {[]string{"-d", "mac", dir}, nil, 2, "", "platform mac"},
		"unknown flag":     {[]string{"-z", dir}, nil, 2, "", "-z: no such flag"},
		"no descriptor":    {[]string{"-d", "linux", work}, nil, 1, "", "is not there"},
		"no SDK":           {[]string{"-i", inputs, dir, "v1"}, nil, 6, "", "missing: MacOSX10.11.sdk.tar.gz, for osx"},
		"result is there":  {[]string{"-d", "linux", "-o", "old", dir, "v1"}, nil, 1, "", "old is there already"},
		"two": {[]string{"-d", "linux,win", "-i", inputs, "-j", "4", "-m", "3000", dir, "v 1", "https://example.org/u"}, nil, 0,
			words("lock", yml("linux"), yml("win"), "-c", "coin=v 1", "-u", "coin=https://example.org/u", "--inputs", inputs, "-o", "result.lock") +
				words("gather", "--lock", "result.lock", "-o", "result.satchel", "--force") +
				words("run", "result.satchel", "--unsigned", "-o", "result", "-j", "4", "-m", "3000"), ""},
		"signed, with more": {[]string{"-d", "linux", "-k", "my key", "-o", "out", dir, "v1", "--", "--engine", "docker"}, nil, 0,
			words("lock", yml("linux"), "-c", "coin=v1", "-o", "out.lock") +
				words("gather", "--lock", "out.lock", "-o", "out.satchel", "--force", "--sign", "my key") +
				words("run", "out.satchel", "--keyring", "my key.pub", "-o", "out", "--engine", "docker"), ""},
		"gather fails": {[]string{"-d", "linux", dir, "v1"}, []string{"AT=gather", "FAIL=6"}, 6,
			words("lock", yml("linux"), "-c", "coin=v1", "-o", "result.lock") + words("gather", "--lock", "result.lock", "-o", "result.satchel", "--force"), ""},
	} {
		seen := filepath.Join(work, name)
		_, story, code := seed(t, work, bin, append([]string{"SEEN=" + seen}, c.env...), "build_all_the_things", c.args...)
		got, _ := os.ReadFile(seen)
		if code != c.code || string(got) != c.calls || !strings.Contains(story, c.said) {
			t.Errorf("%s: exit status %d, want %d\n%s\ncalls\n%s\nwant\n%s", name, code, c.code, story, got, c.calls)
		}
	}
}

// seeds goes the whole way by the scripts alone: a project for two platforms,
// its results signed into a tree; then what was made is removed, and nothing else.
func (c *crossing) seeds(t *testing.T) {
	bin := filepath.Join(c.dir, "bin")
	if err := errors.Join(os.MkdirAll(bin, 0o755), os.Symlink(c.binary, filepath.Join(bin, "satchel"))); err != nil {
		t.Fatal(err)
	}
	env := []string{"SATCHEL_CACHE=" + c.cache, asSatchel + "=1"}
	do := func(name string, args ...string) string {
		t.Helper()
		out, story, code := seed(t, c.dir, bin, env, name, args...)
		if code != 0 {
			t.Fatalf("%s %q: exit status %d\n%s", name, args, code, story)
		}
		return out
	}
	checkout := project(t, "coin", nil)
	for _, cmd := range []string{"git init -q", "git config user.name t", "git config user.email t@example.org", "git commit -q --allow-empty -m first"} {
		w := strings.Fields(cmd)
		g := exec.Command(w[0], w[1:]...)
		g.Dir = checkout
		if out, err := g.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	for _, p := range []string{"linux", "win"} {
		text := strings.Replace(descriptor(t, "seed-"+p, "(cd coin && git rev-parse HEAD) > $OUTDIR/"+p),
			"remotes: []", `remotes: [{url: "https://example.invalid/coin.git", dir: coin}]`, 1)
		if err := os.WriteFile(filepath.Join(checkout, "contrib/gitian-descriptors/gitian-"+p+".yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := do("build_all_the_things", "-d", "linux,win", "-o", "seeds", "-k", "key", checkout, "--", "--engine", "sandbox")
	head, err := exec.Command("git", "-C", checkout, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"linux", "win"} {
		files, err := filepath.Glob(filepath.Join(c.dir, "seeds", "seed-"+p, "out", p))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %q, %v\n%s", p, files, err, out)
		}
		if got, _ := os.ReadFile(files[0]); !bytes.Equal(got, head) {
			t.Errorf("%s was built from %q, want %q", p, got, head)
		}
	}
	do("move_and_sign_manifest", "seeds/seed-linux", "--signer", "alice", "--release", "1.0-linux", "--key", "key", "-d", "seeds.sigs")
	if _, err := os.Stat(filepath.Join(c.dir, "seeds.sigs/1.0-linux/alice/seed-linux-build.assert")); err != nil {
		t.Error(err)
	}
	do("run_builder", "seeds.satchel", "--keyring", "key.pub", "--only", "seed-win", "-o", "seeds-again", "--expect", "seeds/seed-win/seed-win-res.yml", "--engine", "sandbox")
	// Of the engine whose things nobody else changes meanwhile.
	items := func(text string) (list []string) {
		for line := range strings.Lines(text) {
			list = append(list, strings.Join(strings.Fields(line)[1:3], " "))
		}
		return list
	}
	all := items(c.must(t, nil, "clean", "--dry-run", "--engine", "sandbox"))
	containers := items(do("remove_all_containers", "--dry-run", "--engine", "sandbox"))
	images := items(do("remove_all_images", "--dry-run", "--engine", "sandbox"))
	var want, left []string
	for _, i := range all {
		if strings.HasPrefix(i, "failed ") {
			left = append(left, i)
		}
		if strings.HasPrefix(i, "environment ") || strings.HasPrefix(i, "init ") {
			want = append(want, i)
		}
	}
	if !slices.Equal(containers, left) || len(images) < 2 || !slices.Equal(images, want) {
		t.Errorf("containers are %q, want %q; images are %q, want %q", containers, left, images, want)
	}
}
