package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/manifest"
	"satchel/runner"
)

var testEnv = runner.Environment{Key: manifest.Sum([]byte("key")), Root: manifest.Sum([]byte("root"))}

// What is not what Keep writes is an error that names the folder, never an
// environment and never an absence.
func TestEnvironmentDamaged(t *testing.T) {
	key := testEnv.Key.Hex()
	good := `{"version":1,"key":"` + key + `","root":"` + testEnv.Root.Hex() + `"}`
	for name, damage := range map[string]func(dir string) error{
		"no record":      func(dir string) error { return os.Remove(filepath.Join(dir, recordName)) },
		"no root":        func(dir string) error { return os.Remove(filepath.Join(dir, rootName)) },
		"root is a file": func(dir string) error { return replace(filepath.Join(dir, rootName), "") },
		"empty":          func(dir string) error { return replace(filepath.Join(dir, recordName), "") },
		"unknown key":    func(dir string) error { return replace(filepath.Join(dir, recordName), good[:len(good)-1]+`,"x":1}`) },
		"version 2": func(dir string) error {
			return replace(filepath.Join(dir, recordName), strings.Replace(good, ":1", ":2", 1))
		},
		"more": func(dir string) error { return replace(filepath.Join(dir, recordName), good+good) },
		"long": func(dir string) error {
			return replace(filepath.Join(dir, recordName), good+strings.Repeat(" ", maxRecord))
		},
		"other key": func(dir string) error {
			return replace(filepath.Join(dir, recordName), strings.Replace(good, key, testEnv.Root.Hex(), 1))
		},
	} {
		e := newEngine(t)
		dir := e.path("environments", key)
		mkdir(t, filepath.Join(dir, rootName))
		if err := writeRecord(dir, testEnv, ""); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := e.Environment(t.Context(), testEnv.Key); got != testEnv || !ok || err != nil {
			t.Fatalf("before the damage: %v, %v, %v", got, ok, err)
		}
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := e.Environment(t.Context(), testEnv.Key); ok || err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, %v, %v; want an error that names %s", name, got, ok, err, dir)
		}
	}
}

func replace(path, text string) error {
	return errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte(text), 0o600))
}

// Whatever a record says, reading it gives an environment with both digests,
// which is written the same way, or an error.
func FuzzParseRecord(f *testing.F) {
	good, err := json.Marshal(record{Version: 1, Key: testEnv.Key, Root: testEnv.Root})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), recordName)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		env, _, err := parseRecord(path)
		if err != nil {
			return
		}
		if env.Key.IsZero() || env.Root.IsZero() {
			t.Errorf("accepted an empty digest: %q", text)
		}
		if !bytes.Contains(text, []byte(env.Key.Hex())) || !bytes.Contains(text, []byte(env.Root.Hex())) {
			t.Errorf("%q gives %v", text, env)
		}
	})
}
