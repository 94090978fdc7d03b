package bundle

import (
	"errors"
	"fmt"
	"strings"

	"satchel/manifest"
)

// What can be wrong with a bundle. Test with errors.Is; the first three have a
// type with details besides, for errors.As.
var (
	ErrUntrusted = errors.New("the bundle is not signed by those who must sign it")                     // *UntrustedError
	ErrCorrupt   = errors.New("the bundle is damaged")                                                  // *CorruptError
	ErrMissing   = errors.New("content is missing")                                                     // *MissingError
	ErrArchive   = errors.New("the archives, images and asserts that it holds do not confirm the lock") // *ArchiveError
)

// shown is how many faults or blobs one message lists; the types hold them all.
const shown = 8

// UntrustedError says who signed a bundle and who was asked for.
type UntrustedError struct {
	Identity manifest.Digest
	Signed   []SignedBy // every signature of the bundle
	Got      int        // independent trusted signers
	Want     int        // Policy.Threshold
	Expected []string   // who would have been trusted: "alice SHA256:…"
	Advice   string     // what to do
}

// Error says all of it in one line for people.
func (e *UntrustedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d of %d trusted signatures", ErrUntrusted, e.Got, e.Want)
	if len(e.Signed) == 0 {
		b.WriteString("; it has no signature")
	}
	for i, s := range e.Signed {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Signed)-shown)
			break
		}
		fmt.Fprintf(&b, "; signed by %s", s)
	}
	if n := len(e.Expected); n > 0 {
		fmt.Fprintf(&b, "; expected: %s", listed(e.Expected))
	}
	if e.Advice != "" {
		fmt.Fprintf(&b, "; %s", e.Advice)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrUntrusted) true.
func (e *UntrustedError) Is(target error) bool { return target == ErrUntrusted }

// Fault is one place in a bundle that is not what it must be.
type Fault struct {
	Offset int64           `json:"offset"`          // in the file, bytes
	Blob   manifest.Digest `json:"blob,omitzero"`   // zero outside blobs
	Title  string          `json:"title,omitempty"` // what the lock calls the blob
	What   string          `json:"what"`            // "content does not match its hash", …
}

func (f Fault) String() string {
	switch {
	case f.Blob.IsZero():
		return fmt.Sprintf("at byte %d: %s", f.Offset, f.What)
	case f.Title == "":
		return fmt.Sprintf("blob %s at byte %d: %s", f.Blob.Hex(), f.Offset, f.What)
	}
	return fmt.Sprintf("blob %s (%s) at byte %d: %s", f.Blob.Hex(), f.Title, f.Offset, f.What)
}

// CorruptError lists every place of a bundle that is damaged.
type CorruptError struct {
	Faults []Fault
	// Made says that the hashes are right: no copying did this, the bundle was
	// made so.
	Made bool
}

// notBundle is what is wrong with a file that does not begin as a bundle.
const notBundle = "this is no satchel bundle"

// Error lists the first few faults.
func (e *CorruptError) Error() string {
	if len(e.Faults) == 1 && e.Faults[0].What == notBundle {
		return notBundle
	}
	var s []string
	for _, f := range e.Faults {
		s = append(s, f.String())
	}
	if e.Made {
		return fmt.Sprintf("%v: %s; it was made so: make it again, or use the satchel that made it", ErrCorrupt, listed(s))
	}
	return fmt.Sprintf("%v: %s; copy it again from where it came", ErrCorrupt, listed(s))
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func madeWrong(at int64, format string, args ...any) error {
	return &CorruptError{Faults: []Fault{{Offset: at, What: fmt.Sprintf(format, args...)}}, Made: true}
}

func corrupt(at int64, format string, args ...any) error {
	return &CorruptError{Faults: []Fault{{Offset: at, What: fmt.Sprintf(format, args...)}}}
}

// MissingError lists every blob that is named and not there.
type MissingError struct {
	Blobs  []manifest.Blob
	titles map[manifest.Digest]string
}

// Title is what the lock calls a missing blob.
func (e *MissingError) Title(b manifest.Blob) string { return e.titles[b.SHA256] }

// Error lists the first few blobs.
func (e *MissingError) Error() string {
	var s []string
	for _, b := range e.Blobs {
		s = append(s, fmt.Sprintf("%s (%s, %d bytes)", b.SHA256.Hex(), e.titles[b.SHA256], b.Size))
	}
	return fmt.Sprintf("%v: %d blobs: %s; gather them again", ErrMissing, len(e.Blobs), listed(s))
}

// Is makes errors.Is(err, ErrMissing) true.
func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// ArchiveError lists everything in the lock that the archives' own signed
// documents, or the images' own manifests, do not confirm.
type ArchiveError struct{ Faults []string }

// Error lists the first few faults.
func (e *ArchiveError) Error() string {
	return fmt.Sprintf("%v: %s; lock and gather again from sources you trust", ErrArchive, listed(e.Faults))
}

// Is makes errors.Is(err, ErrArchive) true.
func (e *ArchiveError) Is(target error) bool { return target == ErrArchive }

func listed(s []string) string {
	if len(s) <= shown {
		return strings.Join(s, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(s[:shown], "; "), len(s)-shown)
}
