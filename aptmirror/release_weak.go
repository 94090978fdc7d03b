package aptmirror

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"satchel/manifest"
)

// A WeakReleaseError is a Release that lists its files by MD5 or SHA-1 alone. Its
// signature, if it was asked for one, is good; whoever can forge those hashes can
// put another index in the place of the right one all the same. It wraps
// ErrWeakRelease.
type WeakReleaseError struct {
	// Release has no Files until Strengthen gives it some.
	Release *Release
	Signers []Signer // if a signature was verified
	sums    map[string]weakSum
}

func (e *WeakReleaseError) Error() string { return ErrWeakRelease.Error() }

// Unwrap returns ErrWeakRelease.
func (e *WeakReleaseError) Unwrap() error { return ErrWeakRelease }

// weakSum is what such a Release says of a file. A hash that it does not give is
// "".
type weakSum struct {
	size      int64
	md5, sha1 string // lower-case hexadecimal
}

// readWeak reads the weak lists of a Release. The error, which there is always,
// wraps ErrWeakRelease; it is a *WeakReleaseError if there is a sound list.
func readWeak(s *Stanza, r *Release) error {
	e := &WeakReleaseError{Release: r, sums: map[string]weakSum{}}
	r.Files = map[string]manifest.Blob{}
	for _, list := range []struct {
		field string
		size  int
	}{{"MD5Sum", md5.Size}, {"SHA1", sha1.Size}} {
		text, ok := s.Get(list.field)
		if !ok || text == "" {
			continue
		}
		if strings.Count(text, "\n") >= maxFiles {
			return fmt.Errorf("%w; in its %s section are more than %d files: %w", ErrWeakRelease, list.field, maxFiles, ErrTooBig)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if err := e.add(line, list.size); err != nil {
				return fmt.Errorf("%w; reading its %s section: %w", ErrWeakRelease, list.field, err)
			}
		}
	}
	if len(e.sums) == 0 {
		return ErrWeakRelease
	}
	return e
}

// add reads one line of a list whose hashes have so many bytes.
func (e *WeakReleaseError) add(line string, bytes int) error {
	hash, rest := cutWord(line)
	size, rest := cutWord(rest)
	file := strings.Trim(rest, " \t")
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != bytes {
		return fmt.Errorf("%s is no hash", quote(hash))
	}
	n, err := parseSize([]byte(size))
	if err != nil {
		return err
	}
	if err := checkPath(file); err != nil {
		return err
	}
	sum, known := e.sums[file]
	hash = strings.ToLower(hash)
	place := &sum.sha1
	if bytes == md5.Size {
		place = &sum.md5
	}
	if known && sum.size != n || *place != "" && *place != hash {
		return fmt.Errorf("%s is given twice, with different hashes", file)
	}
	sum.size, *place = n, hash
	e.sums[file] = sum
	return nil
}

// Index is Release.Index for what is listed weakly, with the bytes that it must
// have.
func (e *WeakReleaseError) Index(component, arch string) (index string, size int64, ok bool) {
	return e.best(path.Join(component, "binary-"+arch, "Packages"))
}

// SourceIndex is Index for the Sources of a component.
func (e *WeakReleaseError) SourceIndex(component string) (index string, size int64, ok bool) {
	return e.best(path.Join(component, "source", "Sources"))
}

func (e *WeakReleaseError) best(plain string) (string, int64, bool) {
	for _, ext := range compressions() {
		if sum, ok := e.sums[plain+ext]; ok {
			return plain + ext, sum.size, true
		}
	}
	return "", 0, false
}

// Strengthen checks the bytes of an index, and of its plain form if that is
// listed, by every hash that the Release has of them, and then has the Release
// list both by SHA-256.
func (e *WeakReleaseError) Strengthen(index string, data []byte) error {
	if err := e.check(index, data); err != nil {
		return err
	}
	for _, ext := range compressions() {
		plain, ok := strings.CutSuffix(index, ext)
		sum, listed := e.sums[plain]
		if ext == "" || !ok || !listed {
			continue
		}
		text, err := Decompress(index, bytes.NewReader(data))
		if err != nil {
			return err
		}
		defer text.Close()
		all, err := io.ReadAll(io.LimitReader(text, sum.size+1))
		if err != nil {
			return err
		}
		if err := e.check(plain, all); err != nil {
			return err
		}
		e.Release.Files[plain] = blobOf(all)
	}
	e.Release.Files[index] = blobOf(data)
	return nil
}

func blobOf(data []byte) manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum(data), Size: int64(len(data))}
}

// check compares bytes with all that is known of a file.
func (e *WeakReleaseError) check(file string, data []byte) error {
	sum, ok := e.sums[file]
	if !ok {
		return fmt.Errorf("its Release does not list %s", file)
	}
	m, s := md5.Sum(data), sha1.Sum(data)
	if int64(len(data)) != sum.size || sum.md5 != "" && sum.md5 != hex.EncodeToString(m[:]) || sum.sha1 != "" && sum.sha1 != hex.EncodeToString(s[:]) {
		return fmt.Errorf("%s: %w: it is not what its Release lists", file, manifest.ErrDigest)
	}
	return nil
}

// withSigners gives a weak release the signers that were found.
func withSigners(err error, signers []Signer) error {
	var weak *WeakReleaseError
	if errors.As(err, &weak) {
		weak.Signers = signers
	}
	return err
}
