package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"satchel/manifest"
	"satchel/runner"
)

const (
	recordName = "environment.json"
	rootName   = "rootfs"
	maxRecord  = 4 << 10 // bytes; a record takes 170
)

// record is environment.json.
type record struct {
	Version int             `json:"version"` // 1
	Key     manifest.Digest `json:"key"`
	Root    manifest.Digest `json:"root"`
}

// readRecord reads the record of the kept environment in dir. It wraps
// os.ErrNotExist if and only if dir itself is not there.
func readRecord(dir string) (runner.Environment, error) {
	if _, err := os.Lstat(dir); err != nil {
		return runner.Environment{}, fmt.Errorf("reading environment: %w", err)
	}
	env, err := parseRecord(filepath.Join(dir, recordName))
	if err == nil {
		var st os.FileInfo
		if st, err = os.Lstat(filepath.Join(dir, rootName)); err == nil && !st.IsDir() {
			err = errors.New("its root is not a folder")
		}
	}
	if err != nil {
		return runner.Environment{}, fmt.Errorf("reading environment %s: %s (damaged: remove that folder)", dir, err)
	}
	return env, nil
}

func parseRecord(path string) (runner.Environment, error) {
	f, err := os.Open(path)
	if err != nil {
		return runner.Environment{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return runner.Environment{}, err
	}
	if len(text) > maxRecord {
		return runner.Environment{}, fmt.Errorf("%s is longer than %d bytes", recordName, maxRecord)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var r record
	if err := d.Decode(&r); err != nil {
		return runner.Environment{}, fmt.Errorf("%s: %w", recordName, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return runner.Environment{}, fmt.Errorf("%s: more follows its end", recordName)
	}
	if r.Version != 1 || r.Key.IsZero() || r.Root.IsZero() {
		return runner.Environment{}, fmt.Errorf("%s: version, key or root missing or unknown", recordName)
	}
	return runner.Environment{Key: r.Key, Root: r.Root}, nil
}

// writeRecord writes dir/environment.json, durably.
func writeRecord(dir string, env runner.Environment) error {
	text, err := json.Marshal(record{Version: 1, Key: env.Key, Root: env.Root})
	if err != nil {
		return fmt.Errorf("writing environment's record: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, recordName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing environment's record: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing environment's record: %w", err)
	}
	return nil
}
