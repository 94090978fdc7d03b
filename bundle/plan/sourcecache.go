package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"satchel/aptmirror"
	"satchel/manifest"
)

// Beside its pools a PoolCache keeps what Sources indexes were asked, and said:
//
//	DIR/0123….source    named by the SHA-256 of the question
//
// for to read an index of 50 MB for three lines of it takes longer than all else
// that a lock does when nothing has changed. The file begins with the SHA-256 of
// all that follows, so that a damaged one is as good as none.
const (
	sourceSuffix  = ".source"
	maxSources    = 64      // the oldest go first
	maxSourceFile = 1 << 20 // bytes
)

// saidSource is an answer, with its question.
type saidSource struct {
	Key    string                   `json:"key"`
	Source *aptmirror.Source        `json:"source,omitempty"`
	None   *aptmirror.NoSourceError `json:"none,omitempty"`
}

// sourceKey is what was asked, and of which index.
func sourceKey(x index, source, version, file string) string {
	return fmt.Sprintf("source %q %q %q\nindex %q %s %d\n", source, version, file, x.name(), x.SHA256.Hex(), x.Size)
}

func (c PoolCache) sourceFile(key string) string {
	return filepath.Join(c.Dir, manifest.Sum([]byte(key)).Hex()+sourceSuffix)
}

// knownSource answers as FindSource did, if that is known.
func (c PoolCache) knownSource(key string) (s aptmirror.Source, known bool, err error) {
	if c.Dir == "" {
		return s, false, nil
	}
	key = c.key(key)
	if fi, e := os.Lstat(c.sourceFile(key)); e != nil || !fi.Mode().IsRegular() || fi.Size() > maxSourceFile {
		return s, false, nil
	}
	data, e := os.ReadFile(c.sourceFile(key))
	sum, doc, cut := bytes.Cut(data, []byte("\n"))
	if e != nil || !cut || string(sum) != manifest.Sum(doc).Hex() {
		return s, false, nil
	}
	var said saidSource
	if json.Unmarshal(doc, &said) != nil || said.Key != key || (said.Source == nil) == (said.None == nil) {
		return s, false, nil
	}
	if said.None != nil {
		return s, true, said.None
	}
	return *said.Source, true, nil
}

// keepSource keeps what FindSource has answered.
func (c PoolCache) keepSource(key string, s aptmirror.Source, err error) error {
	if c.Dir == "" {
		return nil
	}
	said := saidSource{Key: c.key(key)}
	if !errors.As(err, &said.None) {
		said.Source = &s
	}
	doc, err := json.Marshal(said)
	if err != nil || len(doc) > maxSourceFile/2 {
		return err
	}
	f, err := c.create()
	if err != nil {
		return fmt.Errorf("keeping what an index of sources says: %w", err)
	}
	_, err = f.WriteString(manifest.Sum(doc).Hex() + "\n" + string(doc))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.sourceFile(said.Key))
	}
	if err != nil {
		return fmt.Errorf("keeping what an index of sources says: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return c.trim()
}

// most is how many files of a kind are kept.
func (f CachedFile) most() int {
	if strings.HasSuffix(f.Name, sourceSuffix) {
		return maxSources
	}
	return maxPools
}
