package bundle

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"satchel/manifest"
)

// The documents of a bundle are JSON in one canonical form: no white space, the
// order of the fields as written here, strings raw but for what JSON demands.
// They are written by hand, so that no library's release can change a digest.

// descriptor is an OCI content descriptor.
type descriptor struct {
	mediaType    string
	blob         manifest.Blob
	title        string // annotation, if any
	ref          string // annotation, if any
	artifactType string // if any
}

// lockPrefix is how every artifact manifest begins; the lock's digest follows.
const lockPrefix = `{"schemaVersion":2,"mediaType":"` + mediaTypeOCI + `","artifactType":"` + MediaTypeBundle +
	`","config":{"mediaType":"` + MediaTypeLock + `","digest":"sha256:`

// artifactManifest is the document that is signed. blobs are as Layers gives them.
func artifactManifest(lock manifest.Blob, blobs []descriptor) []byte {
	b := append([]byte(nil), lockPrefix...)
	b = append(b, lock.SHA256.Hex()...)
	b = append(b, `","size":`...)
	b = strconv.AppendInt(b, lock.Size, 10)
	b = append(b, `},"layers":[`...)
	b = appendDescriptors(b, blobs)
	return append(b, `]}`...)
}

// lockOf reads which lock an artifact manifest names. It looks at the
// manifest's first bytes alone: the rest is compared, once the lock is known.
func lockOf(doc []byte) (manifest.Blob, error) {
	const digits = 64
	bad := fmt.Errorf("the manifest does not begin as a %s does", MediaTypeBundle)
	if len(doc) < len(lockPrefix)+digits || string(doc[:len(lockPrefix)]) != lockPrefix {
		return manifest.Blob{}, bad
	}
	doc = doc[len(lockPrefix):]
	d, err := manifest.ParseDigest(string(doc[:digits]))
	if err != nil {
		return manifest.Blob{}, bad
	}
	doc = doc[digits:]
	const size = `","size":`
	if len(doc) < len(size) || string(doc[:len(size)]) != size {
		return manifest.Blob{}, bad
	}
	doc = doc[len(size):]
	n := 0
	for n < len(doc) && n < 10 && doc[n] >= '0' && doc[n] <= '9' {
		n++
	}
	v, err := strconv.ParseInt(string(doc[:n]), 10, 64)
	if err != nil || v <= 0 || v > MaxLockSize || doc[0] == '0' || n == len(doc) || doc[n] != '}' {
		return manifest.Blob{}, bad
	}
	return manifest.Blob{SHA256: d, Size: v}, nil
}

// referrerManifest ties a signature to the manifest that it signs.
func referrerManifest(subject, signature manifest.Blob, kind string) []byte {
	b := []byte(`{"schemaVersion":2,"mediaType":"` + mediaTypeOCI + `","artifactType":"` + kind + `","config":`)
	b = appendDescriptor(b, descriptor{mediaType: mediaTypeEmpty, blob: emptyBlob()})
	b = append(b, `,"layers":[`...)
	b = appendDescriptor(b, descriptor{mediaType: kind, blob: signature, title: signatureTitle})
	b = append(b, `],"subject":`...)
	b = appendDescriptor(b, descriptor{mediaType: mediaTypeOCI, blob: subject})
	return append(b, '}')
}

// indexDocument is index.json.
func indexDocument(manifests []descriptor) []byte {
	b := []byte(`{"schemaVersion":2,"mediaType":"` + mediaTypeIndex + `","manifests":[`)
	b = appendDescriptors(b, manifests)
	return append(b, `]}`...)
}

func appendDescriptors(b []byte, ds []descriptor) []byte {
	for i, d := range ds {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDescriptor(b, d)
	}
	return b
}

func appendDescriptor(b []byte, d descriptor) []byte {
	b = append(b, `{"mediaType":`...)
	b = appendString(b, d.mediaType)
	b = append(b, `,"digest":"`...)
	b = append(b, d.blob.SHA256.String()...)
	b = append(b, `","size":`...)
	b = strconv.AppendInt(b, d.blob.Size, 10)
	switch {
	case d.title != "":
		b = append(b, `,"annotations":{"`+annotationTitle+`":`...)
		b = append(appendString(b, d.title), '}')
	case d.ref != "":
		b = append(b, `,"annotations":{"`+annotationRef+`":`...)
		b = append(appendString(b, d.ref), '}')
	}
	if d.artifactType != "" {
		b = append(b, `,"artifactType":`...)
		b = appendString(b, d.artifactType)
	}
	return append(b, '}')
}

// appendString writes a JSON string. Only the quotation mark, the backslash and
// control characters are escaped, the latter always as \u00xx.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// checkString refuses what has no canonical JSON form.
func checkString(what, s string) error {
	if s == "" || len(s) > maxTitle || !utf8.ValidString(s) {
		return fmt.Errorf("writing manifest: %s %q is empty, too long or not UTF-8", what, shorten(s))
	}
	return nil
}

func emptyBlob() manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum([]byte(emptyConfig)), Size: int64(len(emptyConfig))}
}

func blobOf(b []byte) manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum(b), Size: int64(len(b))}
}

// shorten keeps hostile text out of error messages.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
