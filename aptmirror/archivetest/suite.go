package archivetest

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/deb/debtest"
)

// Suite is one directory below an archive's dists, and its part of the pool.
type Suite struct {
	Archive string // folder of the archive: "debian", "ubuntu-ports", "old-releases.ubuntu.com/ubuntu"
	Name    string // below dists: "bookworm", "buster/updates"

	Origin, Suite, Codename, Version string    // of its Release; Suite and Codename are Name if empty
	Fields                           string    // more lines of its Release
	Date                             time.Time // an hour ago if zero
	Until                            time.Time // Valid-Until, if not zero

	Components    []string // "main" if nil
	Architectures []string // "amd64" if nil; with "all" there is an index of its own for that
	// NoSupportForAll: packages of architecture all stand in the indexes of
	// every other architecture, whether or not they have one of their own.
	NoSupportForAll bool
	// Forms are the compressions in which indexes are there, "" among them for
	// none; ".gz" if nil. The Release always lists the plain form, too.
	Forms    []string
	ByHash   bool     // indexes are there by their hash, too
	Hashes   []string // of "MD5Sum", "SHA1", "SHA256"; the last alone if nil
	Detached bool     // Release and Release.gpg instead of InRelease
	Keys     []*Key   // the archive's if nil

	Packages []Package
	Sources  []Source
	// Edit may change an index before it is compressed; path is its plain
	// form's, from dists/NAME/.
	Edit func(path, text string) string
	// Replace has files below dists/NAME/ that are there and are listed in
	// place of what they should be.
	Replace map[string][]byte
}

// Publish writes the suite over what may be there of it.
func (a *Archive) Publish(t testing.TB, s Suite) {
	t.Helper()
	plain := s.indexes(t, a)
	listed := map[string][]byte{}
	for p, text := range plain {
		if s.Edit != nil {
			text = s.Edit(p, text)
		}
		listed[p] = []byte(text)
		for _, form := range or(s.Forms, ".gz") {
			data := debtest.Compress(form, []byte(text))
			if other, ok := s.Replace[p+form]; ok {
				data = other
			}
			listed[p+form] = data
			a.Write(t, s.below(p+form), data)
			if s.ByHash {
				a.Write(t, s.below(path.Join(path.Dir(p), "by-hash/SHA256", fmt.Sprintf("%x", sha256.Sum256(data)))), data)
			}
		}
	}
	for _, old := range []string{"InRelease", "Release", "Release.gpg"} {
		os.Remove(filepath.Join(a.Dir, filepath.FromSlash(s.below(old))))
	}
	release := s.release(listed)
	keys := s.Keys
	if keys == nil {
		keys = []*Key{a.Key}
	}
	if s.Detached {
		a.Write(t, s.below("Release"), release)
		a.Write(t, s.below("Release.gpg"), DetachSign(t, release, s.date(), keys...))
		return
	}
	a.Write(t, s.below("InRelease"), ClearSign(t, release, s.date(), keys...))
}

func (s *Suite) below(p string) string { return s.Archive + "/dists/" + s.Name + "/" + p }

func (s *Suite) date() time.Time {
	if s.Date.IsZero() {
		return time.Now().Add(-time.Hour).UTC()
	}
	return s.Date.UTC()
}

// or is list, or one word in its place.
func or(list []string, other string) []string {
	if list == nil {
		return []string{other}
	}
	return list
}

// release is the text of the Release file.
func (s *Suite) release(files map[string][]byte) []byte {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	name := func(v string) string {
		if v == "" {
			return s.Name
		}
		return v
	}
	field("Origin", s.Origin)
	field("Label", s.Origin)
	field("Suite", name(s.Suite))
	field("Version", s.Version)
	field("Codename", name(s.Codename))
	field("Date", s.date().Format(dateFormat))
	if !s.Until.IsZero() {
		field("Valid-Until", s.Until.UTC().Format(dateFormat))
	}
	if s.ByHash {
		field("Acquire-By-Hash", "yes")
	}
	if s.NoSupportForAll {
		field("No-Support-for-Architecture-all", "Packages")
	}
	field("Architectures", strings.Join(or(s.Architectures, "amd64"), " "))
	field("Components", strings.Join(or(s.Components, "main"), " "))
	b.WriteString(s.Fields)
	for _, h := range or(s.Hashes, "SHA256") {
		b.WriteString(h + ":\n")
		for _, p := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&b, " %s %d %s\n", sum(h, files[p]), len(files[p]), p)
		}
	}
	return []byte(b.String())
}

const dateFormat = "Mon, 02 Jan 2006 15:04:05 UTC"

// sum is a hash by the name that a Release calls it.
func sum(name string, data []byte) string {
	switch name {
	case "MD5Sum":
		return fmt.Sprintf("%x", md5.Sum(data))
	case "SHA1":
		return fmt.Sprintf("%x", sha1.Sum(data))
	case "SHA256":
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	panic("archivetest: no hash " + name)
}
