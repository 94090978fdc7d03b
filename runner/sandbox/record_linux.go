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
	IDs     string          `json:"ids,omitempty"` // whose the files are; "" for root's
}

// readRecord reads the record of the kept environment in dir, and whose its
// files are. It wraps
// os.ErrNotExist if and only if dir itself is not there.
func readRecord(dir string) (env runner.Environment, ids string, err error) {
	if _, err := os.Lstat(dir); err != nil {
		return env, "", fmt.Errorf("reading environment: %w", err)
	}
	env, ids, err = parseRecord(filepath.Join(dir, recordName))
	if err == nil {
		var st os.FileInfo
		if st, err = os.Lstat(filepath.Join(dir, rootName)); err == nil && !st.IsDir() {
			err = errors.New("its root is not a folder")
		}
	}
	if err != nil {
		return runner.Environment{}, "", fmt.Errorf("reading environment %s: %s (damaged: remove that folder)", dir, err)
	}
	return env, ids, nil
}

func parseRecord(path string) (env runner.Environment, ids string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return env, "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return env, "", err
	}
	if len(text) > maxRecord {
		return env, "", fmt.Errorf("%s is longer than %d bytes", recordName, maxRecord)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var r record
	if err := d.Decode(&r); err != nil {
		return env, "", fmt.Errorf("%s: %w", recordName, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return env, "", fmt.Errorf("%s: more follows its end", recordName)
	}
	if r.Version != 1 || r.Key.IsZero() || r.Root.IsZero() {
		return env, "", fmt.Errorf("%s: version, key or root missing or unknown", recordName)
	}
	return runner.Environment{Key: r.Key, Root: r.Root}, r.IDs, nil
}

// writeRecord writes dir/environment.json, durably.
func writeRecord(dir string, env runner.Environment, ids string) error {
	text, err := json.Marshal(record{Version: 1, Key: env.Key, Root: env.Root, IDs: ids})
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
