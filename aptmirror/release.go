package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
)

// maxFiles bounds the files of a Release. Debian's have about 1,500.
const maxFiles = 200_000

// ErrWeakRelease is returned for a Release file that lists its indexes by MD5
// or SHA-1 alone.
var ErrWeakRelease = errors.New("it has no SHA256 section, so its indexes cannot be trusted")

// A Release is what an archive says of one suite, from a file whose signature
// was verified. Format: Debian's repository format, "Release" files.
type Release struct {
	Origin        string
	Label         string
	Suite         string // "oldstable"
	Codename      string // "bookworm"
	Version       string
	Date          time.Time // UTC
	ValidUntil    time.Time // UTC; zero if it is valid for ever
	Architectures []string  // in the file's order
	Components    []string  // in the file's order; security archives prefix "updates/", their paths do not
	AcquireByHash bool      // indexes are also found by their hash, see ByHash
	// NotAutomatic: apt gives its packages priority 1, and 100 with
	// ButAutomaticUpgrades, instead of 500: experimental, backports.
	NotAutomatic         bool
	ButAutomaticUpgrades bool
	// NoSupportForAll: the Packages of each architecture hold the packages of
	// architecture all too, even where there is a binary-all as well.
	NoSupportForAll bool
	Files           map[string]manifest.Blob // by path from dists/SUITE/; SHA256 section only
}

// An ExpiredError says that a Release is no longer valid by the clock.
type ExpiredError struct {
	Suite           string // suite or codename
	ValidUntil, Now time.Time
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("the Release of %s was valid until %s, and it is %s: the mirror is out of date, somebody replays an old state, or this machine's clock is wrong; a snapshot or a closed archive must be named as one",
		e.Suite, e.ValidUntil.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// A NotYetValidError says that a Release is from the future by the clock.
type NotYetValidError struct {
	Suite     string
	Date, Now time.Time
}

func (e *NotYetValidError) Error() string {
	return fmt.Sprintf("the Release of %s is dated %s, and it is %s: check this machine's clock",
		e.Suite, e.Date.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// ParseRelease reads the text of a Release file, which must be exactly one
// stanza. It trusts the text: VerifyInRelease and VerifyRelease call it after
// they have checked the signatures, and only a caller that has done the same
// should. name is for errors. Without a SHA256 section the error wraps
// ErrWeakRelease; it is a *WeakReleaseError if there are weaker lists.
func ParseRelease(name string, text []byte) (*Release, error) {
	stanzas := NewStanzas(name, bytes.NewReader(text))
	stanzas.max = maxRelease
	s, err := stanzas.Next()
	if err == io.EOF {
		return nil, fmt.Errorf("reading %s: it is empty", name)
	}
	if err != nil {
		return nil, err
	}
	r, err := readRelease(s)
	if err != nil && !errors.Is(err, ErrWeakRelease) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if _, err := stanzas.Next(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("reading %s: it has a second stanza", name)
		}
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return r, nil
}

func readRelease(s *Stanza) (*Release, error) {
	r := &Release{}
	get := func(field string) string { v, _ := s.Get(field); return v }
	r.Origin, r.Label, r.Suite, r.Codename = get("Origin"), get("Label"), get("Suite"), get("Codename")
	r.Version = get("Version")
	r.Architectures = strings.Fields(get("Architectures"))
	r.Components = strings.Fields(get("Components"))
	r.AcquireByHash = get("Acquire-By-Hash") == "yes"
	r.NotAutomatic = get("NotAutomatic") == "yes"
	r.ButAutomaticUpgrades = get("ButAutomaticUpgrades") == "yes"
	r.NoSupportForAll = slices.Contains(strings.Fields(get("No-Support-for-Architecture-all")), "Packages")
	for _, v := range []string{r.Origin, r.Label, r.Suite, r.Codename, r.Version} {
		if strings.IndexFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
			return nil, fmt.Errorf("%s has a control character", quote(v))
		}
	}
	var err error
	if r.Date, err = parseDate(get("Date")); err != nil {
		return nil, fmt.Errorf("reading Date: %w", err)
	}
	if v, ok := s.Get("Valid-Until"); ok {
		if r.ValidUntil, err = parseDate(v); err != nil {
			return nil, fmt.Errorf("reading Valid-Until: %w", err)
		}
	}
	sums, ok := s.Get("SHA256")
	if !ok {
		return nil, readWeak(s, r)
	}
	if r.Files, err = parseFiles(sums); err != nil {
		return nil, fmt.Errorf("reading its SHA256 section: %w", err)
	}
	return r, nil
}

func parseFiles(sums string) (map[string]manifest.Blob, error) {
	n := strings.Count(sums, "\n") + 1
	if n > maxFiles {
		return nil, fmt.Errorf("more than %d files: %w", maxFiles, ErrTooBig)
	}
	files := make(map[string]manifest.Blob, n)
	if sums == "" {
		return files, nil
	}
	for line := range strings.SplitSeq(sums, "\n") {
		file, blob, err := parseSum(line)
		if err != nil {
			return nil, err
		}
		if old, ok := files[file]; ok && old != blob {
			return nil, fmt.Errorf("%s is given twice, with different hashes", file)
		}
		files[file] = blob
	}
	return files, nil
}

// parseDate reads the date of a Release file, which is in UTC.
func parseDate(s string) (time.Time, error) {
	day, zone, ok := lastCut(s, ' ')
	if ok {
		switch zone {
		case "UTC", "GMT", "Z", "+0000":
			for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05", "Mon, _2 Jan 2006 15:04:05"} {
				if t, err := time.Parse(layout, day); err == nil {
					return t, nil
				}
			}
		}
	}
	return time.Time{}, fmt.Errorf("%s is no date such as \"Sat, 11 Jul 2026 10:16:37 UTC\"", quote(s))
}

func lastCut(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// name is how errors call the release.
func (r *Release) name() string {
	if r.Codename != "" {
		return r.Codename
	}
	return r.Suite
}

// Fresh reports whether the release is valid at now: an *ExpiredError if its
// Valid-Until is over, a *NotYetValidError if its Date is more than an hour
// ahead. A Release without Valid-Until never expires.
func (r *Release) Fresh(now time.Time) error {
	if !r.ValidUntil.IsZero() && now.After(r.ValidUntil) {
		return &ExpiredError{Suite: r.name(), ValidUntil: r.ValidUntil, Now: now}
	}
	if r.Date.After(now.Add(clockSkew)) {
		return &NotYetValidError{Suite: r.name(), Date: r.Date, Now: now}
	}
	return nil
}

// compressions returns the forms of an index, best first: what decodes fastest
// in Go for the bytes it has.
func compressions() []string {
	return []string{".gz", ".zst", ".xz", ".bz2", ".lzma", ""}
}

// Index returns the path from dists/SUITE/ and the bytes of the best form of a
// component's Packages index: .gz first, which decodes in a sixth of the time
// of .xz. Paths have no prefix: for a security archive say "main", not
// "updates/main". arch may be "all".
func (r *Release) Index(component, arch string) (string, manifest.Blob, bool) {
	return r.best(path.Join(component, "binary-"+arch, "Packages"))
}

// SourceIndex is Index for the Sources of a component.
func (r *Release) SourceIndex(component string) (string, manifest.Blob, bool) {
	return r.best(path.Join(component, "source", "Sources"))
}

func (r *Release) best(plain string) (string, manifest.Blob, bool) {
	for _, ext := range compressions() {
		if blob, ok := r.Files[plain+ext]; ok {
			return plain + ext, blob, true
		}
	}
	return "", manifest.Blob{}, false
}

// NextForm returns, for the path of an index, the next best form of it that the
// release file lists.
func (r *Release) NextForm(index string) (string, manifest.Blob, bool) {
	plain, passed := "", false
	for _, ext := range compressions() {
		if !passed {
			plain, passed = strings.CutSuffix(index, ext)
		} else if blob, ok := r.Files[plain+ext]; ok {
			return plain + ext, blob, true
		}
	}
	return "", manifest.Blob{}, false
}

// NeedsAll reports whether the packages of architecture all must be read from
// an index of their own, Index(component, "all"), beside that of the build's
// architecture, as apt decides it.
func (r *Release) NeedsAll() bool {
	return slices.Contains(r.Architectures, "all") && !r.NoSupportForAll
}

// Plain returns the bytes of the uncompressed form of an index, by the path
// that Index or SourceIndex returned. It bounds what a decoder may give.
func (r *Release) Plain(index string) (manifest.Blob, bool) {
	for _, ext := range compressions() {
		if plain, ok := strings.CutSuffix(index, ext); ok {
			blob, ok := r.Files[plain]
			return blob, ok
		}
	}
	return manifest.Blob{}, false
}

// ByHash returns the path, from dists/SUITE/, under which an index is found by
// its hash, so that a mirror that is being updated still has it; "" if the
// archive offers none.
func (r *Release) ByHash(index string) string {
	blob, ok := r.Files[index]
	if !ok || !r.AcquireByHash {
		return ""
	}
	return path.Join(path.Dir(index), "by-hash", "SHA256", blob.SHA256.Hex())
}
