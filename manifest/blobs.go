package manifest

import (
	"bytes"
	"slices"
	"strings"
)

// Media types of the blobs of a bundle. Images keep their own OCI media types.
const (
	MediaDescriptor = "application/vnd.satchel.descriptor.v1+yaml"
	MediaDeb        = "application/vnd.debian.binary-package"
	MediaRelease    = "application/vnd.satchel.archive.release.v1" // InRelease, Release, Release.gpg
	MediaIndex      = "application/vnd.satchel.archive.index.v1"   // Packages.*, Sources.*
	MediaKeyring    = "application/vnd.satchel.archive.keyring.v1"
	MediaGitPack    = "application/vnd.satchel.git-pack.v1"
	MediaFile       = "application/octet-stream"
	MediaAssert     = "application/vnd.satchel.assert.v1+yaml"
	MediaAssertSig  = "application/vnd.satchel.assert.signature.v1" // OpenPGP or SSHSIG, as it lay beside the assert
	MediaAssertKey  = "application/vnd.satchel.assert.keyring.v1"
)

// Ref is a blob, what it is, and a name of it for people.
type Ref struct {
	Blob
	MediaType string `json:"mediaType"`
	Title     string `json:"title"` // "pool/main/a/adduser/adduser_3.134_all.deb", "debian/bookworm InRelease"
}

// Blobs returns every blob that l names, each once, sorted by digest. A blob
// that is named several times has the first of its media types and titles, by
// their bytes.
func (l *Lock) Blobs() []Ref {
	var all []Ref
	add := func(b Blob, media, title string) { all = append(all, Ref{b, media, title}) }
	for _, d := range l.Descriptors {
		add(d.Blob, MediaDescriptor, d.File)
		for _, s := range d.Sources {
			add(s.Pack, MediaGitPack, s.Dir+" "+s.Commit)
			for _, m := range s.Submodules {
				add(m.Pack, MediaGitPack, s.Dir+"/"+m.Path+" "+m.Commit)
			}
		}
		for _, f := range d.Files {
			add(f.Blob, MediaFile, f.Name)
		}
	}
	for _, a := range l.Archives {
		add(a.Keyring, MediaKeyring, a.ID()+" keyring")
		for _, f := range a.Release {
			add(f.Blob, MediaRelease, a.ID()+" "+f.Path)
		}
		for _, f := range a.Indexes {
			add(f.Blob, MediaIndex, a.ID()+" "+f.Path)
		}
	}
	for _, a := range l.Asserts {
		title := strings.TrimSpace(a.Descriptor + " " + a.Release)
		add(a.Blob, MediaAssert, title+" assert")
		if a.Signature != nil {
			add(*a.Signature, MediaAssertSig, title+" signature")
		}
		if a.Keyring != nil {
			add(*a.Keyring, MediaAssertKey, title+" keyring")
		}
	}
	for _, t := range l.Targets {
		for _, p := range t.Packages {
			add(p.Blob, MediaDeb, p.Path)
		}
		all = append(all, t.Image.blobs()...)
	}
	slices.SortFunc(all, func(a, b Ref) int {
		if c := bytes.Compare(a.SHA256[:], b.SHA256[:]); c != 0 {
			return c
		}
		return comparePairs(a.MediaType, a.Title, b.MediaType, b.Title)
	})
	return slices.CompactFunc(all, func(a, b Ref) bool { return a.SHA256 == b.SHA256 })
}

func (m Image) blobs() []Ref {
	var all []Ref
	name := m.From
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if m.Manifest != nil {
		all = append(all, Ref{m.Manifest.Blob, m.Manifest.MediaType, name + " manifest"})
	}
	if m.Config != nil {
		all = append(all, Ref{m.Config.Blob, m.Config.MediaType, name + " config"})
	}
	for _, y := range m.Layers {
		all = append(all, Ref{y.Blob, y.MediaType, name + " layer"})
	}
	return all
}
