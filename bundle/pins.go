package bundle

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"satchel/aptmirror"
	"satchel/manifest"
)

// archivePins is what a lock says of one archive's packages and files, by
// their paths in the archive, to be confirmed by its indexes.
type archivePins struct {
	mu        sync.Mutex
	debs      map[string]*debPin
	files     map[string]*filePin
	installed map[string]bool // "name version architecture sha256" → confirmed
	wanted    map[string]bool // names in installed
}

type debPin struct {
	manifest.PackagePin
	confirmed bool
}

func (p *debPin) what() string {
	return fmt.Sprintf("%s %s %s, %d bytes, sha256 %s", p.Name, p.Version, p.Architecture, p.Size, p.SHA256.Hex())
}

type filePin struct {
	source    string
	blob      manifest.Blob
	confirmed bool
}

// collectPins sorts the pins of a lock by archive, in the lock's order.
func collectPins(lock *manifest.Lock) []*archivePins {
	byID := map[string]*archivePins{}
	var all []*archivePins
	for _, a := range lock.Archives {
		p := &archivePins{debs: map[string]*debPin{}, files: map[string]*filePin{},
			installed: map[string]bool{}, wanted: map[string]bool{}}
		byID[a.ID()] = p
		all = append(all, p)
	}
	for _, t := range lock.Targets {
		for _, pkg := range t.Packages {
			if pkg.Vouched == "" { // else by an assert
				byID[pkg.Archive].addDeb(pkg)
			}
		}
		for _, in := range t.Installed {
			if in.SHA256 == nil {
				continue
			}
			for _, p := range all {
				p.installed[installedKey(in.Name, in.Version, in.Architecture, *in.SHA256)] = false
				p.wanted[in.Name] = true
			}
		}
	}
	for _, d := range lock.Descriptors {
		for _, f := range d.Files {
			if f.SourcePackage != "" {
				byID[f.Archive].files[f.SourcePackage+" "+f.Path] = &filePin{source: f.SourcePackage, blob: f.Blob}
			}
		}
	}
	return all
}

// addDeb adds a pin. Two targets may pin one path: a lock gives a path one
// hash, but name and version come from each pin, so a second pin that differs
// gets a key that no index has, and is reported.
func (p *archivePins) addDeb(pkg manifest.PackagePin) {
	key := pkg.Path
	if old, ok := p.debs[key]; ok && (old.Name != pkg.Name || old.Version != pkg.Version ||
		old.Architecture != pkg.Architecture || old.Blob != pkg.Blob) {
		key += " as " + pkg.Name + " " + pkg.Version + " " + pkg.Architecture
	}
	p.debs[key] = &debPin{PackagePin: pkg}
}

func installedKey(name, version, arch string, d manifest.Digest) string {
	return name + " " + version + " " + arch + " " + d.Hex()
}

// packageStanza compares a stanza of a Packages index with the pin of its
// Filename. Other bytes under a pinned path are an error, wherever they stand.
func (p *archivePins) packageStanza(s *aptmirror.Stanza) error {
	name, _ := s.Get("Package")
	if p.wanted[name] {
		p.installedStanza(s, name)
	}
	file, _ := s.Get("Filename")
	pin := p.debs[strings.TrimPrefix(file, "./")]
	if pin == nil {
		return nil
	}
	version, _ := s.Get("Version")
	arch, _ := s.Get("Architecture")
	blob, err := stanzaBlob(s)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if name != pin.Name || version != pin.Version || arch != pin.Architecture || blob != pin.Blob {
		return fmt.Errorf("%s is %.80q %.80q %.80q of %d bytes, sha256 %s; the lock says %s",
			pin.Path, name, version, arch, blob.Size, blob.SHA256.Hex(), pin.what())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pin.confirmed = true
	return nil
}

func (p *archivePins) installedStanza(s *aptmirror.Stanza, name string) {
	version, _ := s.Get("Version")
	arch, _ := s.Get("Architecture")
	blob, err := stanzaBlob(s)
	if err != nil {
		return
	}
	key := installedKey(name, version, arch, blob.SHA256)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.installed[key]; ok {
		p.installed[key] = true
	}
}

func stanzaBlob(s *aptmirror.Stanza) (manifest.Blob, error) {
	sum, _ := s.Get("SHA256")
	size, _ := s.Get("Size")
	return parseBlob(sum, size)
}

func parseBlob(sum, size string) (manifest.Blob, error) {
	d, err := manifest.ParseDigest(sum)
	if err != nil {
		return manifest.Blob{}, err
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return manifest.Blob{}, fmt.Errorf("reading size: %.40q is none", size)
	}
	return manifest.Blob{SHA256: d, Size: n}, nil
}

// sourceStanza looks in a stanza of a Sources index for pinned files.
func (p *archivePins) sourceStanza(s *aptmirror.Stanza) error {
	source, _ := s.Get("Package")
	wanted := false
	for _, f := range p.files {
		wanted = wanted || f.source == source
	}
	if !wanted {
		return nil
	}
	dir, _ := s.Get("Directory")
	sums, _ := s.Get("Checksums-Sha256")
	for line := range strings.SplitSeq(sums, "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		name := strings.TrimPrefix(dir, "./") + "/" + f[2]
		pin := p.files[source+" "+name]
		if pin == nil {
			continue
		}
		blob, err := parseBlob(f[0], f[1])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if blob != pin.blob {
			return fmt.Errorf("%s has sha256 %s, the lock says %s", name, blob.SHA256.Hex(), pin.blob.SHA256.Hex())
		}
		p.mu.Lock()
		pin.confirmed = true
		p.mu.Unlock()
	}
	return nil
}
