package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"satchel/manifest"
)

// encodeLock writes a lock in its canonical form.
func encodeLock(lock *manifest.Lock) ([]byte, error) {
	if lock == nil {
		return nil, errors.New("writing bundle: no lock was given")
	}
	return lock.Marshal()
}

// parseLock reads a lock that must be in its canonical form: a bundle holds no
// other, so that one plan has one identity.
func parseLock(name string, doc []byte) (*manifest.Lock, error) {
	lock, err := manifest.ParseLock(name, doc)
	if err != nil {
		return nil, err
	}
	again, err := lock.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, doc) {
		return nil, fmt.Errorf("reading lock %s: it is not in the canonical form", name)
	}
	return lock, nil
}

// titles says what the lock calls its blobs.
func titles(lock *manifest.Lock) map[manifest.Digest]string {
	out := map[manifest.Digest]string{}
	for _, r := range lock.Blobs() {
		if _, ok := out[r.SHA256]; !ok {
			out[r.SHA256] = r.Title
		}
	}
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
