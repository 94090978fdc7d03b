package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// An UnfoundError lists what an assert names and nobody has. Sizes are 0: an
// assert does not tell them.
type UnfoundError struct {
	Blobs    []manifest.NeededBlob // by name
	Archives []manifest.NeededArchive
	Of       int // how many were looked for
}

// shownUnfound bounds the list of one message; needs have it whole.
const shownUnfound = 20

func (e *UnfoundError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "nobody has %d of %d packages and files that the assert names:", len(e.Blobs), e.Of)
	for i, b := range e.Blobs {
		if i == shownUnfound {
			fmt.Fprintf(&s, "\n  and %d more (--needs FILE writes them all down)", len(e.Blobs)-i)
			break
		}
		fmt.Fprintf(&s, "\n  %s sha256 %s", b.Name, b.SHA256.Hex())
		for _, t := range b.Tried[max(0, len(b.Tried)-2):] {
			fmt.Fprintf(&s, "\n    %s: %s", t.URL, t.Answer)
		}
	}
	s.WriteString("\n--from takes them from folders, apt's caches and older bundles; --mirror names a mirror or a snapshot service; " +
		"--snapshot a moment when the archive had them; another assert of the release may list others")
	return s.String()
}

// takes notes what another search did not find, and tells whether it was that.
func (e *UnfoundError) takes(err error) bool {
	var more *UnfoundError
	if !errors.As(err, &more) {
		return false
	}
	for _, b := range more.Blobs {
		if !slices.ContainsFunc(e.Blobs, func(o manifest.NeededBlob) bool { return o.SHA256 == b.SHA256 }) {
			e.Blobs = append(e.Blobs, b)
		}
	}
	for _, a := range more.Archives {
		if !slices.ContainsFunc(e.Archives, func(o manifest.NeededArchive) bool { return o.ID() == a.ID() }) {
			e.Archives = append(e.Archives, a)
		}
	}
	e.Of += more.Of
	return true
}

// add notes a package that nobody has, with where it was looked for.
func (e *UnfoundError) add(s *search, reference string) {
	place := s.places[0]
	b := manifest.NeededBlob{Name: s.deb.File(), Blob: manifest.Blob{SHA256: s.deb.SHA256}, Path: place.path}
	a := manifest.NeededArchive{Name: place.pocket.Archive, Suite: place.pocket.Suite, URI: place.pocket.URI}
	b.Archive = a.ID()
	at, err := time.Parse(time.DateTime, reference)
	if err != nil {
		at = time.Unix(0, 0).UTC()
	}
	a.Date = at.UTC().Format(time.RFC3339)
	if !slices.Contains(e.Archives, a) {
		e.Archives = append(e.Archives, a)
	}
	if len(s.tried) == 0 {
		s.tried = []fetch.Attempt{{URL: "nowhere", Err: errNoBytes}}
	}
	for _, t := range s.tried {
		text, _, _ := strings.Cut(t.Err.Error(), "\n")
		b.Tried = append(b.Tried, manifest.Tried{URL: t.URL, Answer: text})
	}
	e.Blobs = append(e.Blobs, b)
}
