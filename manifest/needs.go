package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// NeedsVersion is the version of the needs format that this package reads and writes.
const NeedsVersion = 1

// Needs says what somebody wants and does not have: what gather found at nobody,
// or what a run on the far side of the gap missed. It is a text that crosses
// the gap back, for the next gather. It asks; it decides nothing: what is
// fetched for it counts by its hash.
type Needs struct {
	Version  int             `yaml:"satchel-needs" json:"satchelNeeds"`            // NeedsVersion
	Lock     *Digest         `yaml:"lock,omitempty" json:"lock,omitempty"`         // of the lock's text, if it is about one
	Archives []NeededArchive `yaml:"archives,omitempty" json:"archives,omitempty"` // by ID; those that Blobs refer to
	Blobs    []NeededBlob    `yaml:"blobs,omitempty" json:"blobs,omitempty"`       // by hash
	Hosts    []NeededHost    `yaml:"hosts,omitempty" json:"hosts,omitempty"`       // by name, descriptor, target
}

// NeededArchive says when an archive was, so that a snapshot can be found.
type NeededArchive struct {
	Name     string `yaml:"name" json:"name"`
	Suite    string `yaml:"suite" json:"suite"`
	URI      string `yaml:"uri,omitempty" json:"uri,omitempty"`           // as ArchivePin.URI
	Date     string `yaml:"date" json:"date"`                             // as ArchivePin.Date
	Snapshot string `yaml:"snapshot,omitempty" json:"snapshot,omitempty"` // as ArchivePin.Snapshot
}

// ID is that of the ArchivePin.
func (a NeededArchive) ID() string { return a.Name + "/" + a.Suite }

// NeededBlob is bytes that are missing, and what is known of where they are.
type NeededBlob struct {
	Name    string `yaml:"name" json:"name"` // for people
	Blob    `yaml:",inline"`
	URL     string  `yaml:"url,omitempty" json:"url,omitempty"`         // http or https
	Archive string  `yaml:"archive,omitempty" json:"archive,omitempty"` // ID; with Path
	Path    string  `yaml:"path,omitempty" json:"path,omitempty"`       // from the archive's top
	Tried   []Tried `yaml:"tried,omitempty" json:"tried,omitempty"`     // in the order tried
}

// Tried is what a place answered.
type Tried struct {
	URL    string `yaml:"url" json:"url"`
	Answer string `yaml:"answer" json:"answer"`
}

// NeededHost is a host or an address that a build script asked for; there is no
// network in a build.
type NeededHost struct {
	Name       string `yaml:"name" json:"name"` // host name, or IP:PORT
	Descriptor string `yaml:"descriptor" json:"descriptor"`
	Target     string `yaml:"target" json:"target"`                       // suite-architecture
	Command    string `yaml:"command,omitempty" json:"command,omitempty"` // that asked, for people
	Place      string `yaml:"place,omitempty" json:"place,omitempty"`     // where it stands: FILE:LINE of the descriptor
	URL        string `yaml:"url,omitempty" json:"url,omitempty"`         // that it named
}

// ParseNeeds reads needs, as strictly as ParseLock reads a lock. It comes from
// the other side of a gap, from a machine that may be anybody's: no address but
// http and https is taken, no path that leaves its archive, no two sizes of one
// hash.
func ParseNeeds(file string, data []byte) (*Needs, error) {
	root, err := readNode(file, data, maxLock, true)
	if err != nil {
		return nil, err
	}
	r := &strictReader{walker: walker{findings: newFindings(file, data)}, lines: map[string]int{}}
	var n Needs
	r.value(root, "", reflect.ValueOf(&n).Elem())
	if err := r.err(); err != nil {
		return nil, err
	}
	for _, p := range n.problems() {
		r.add(r.line(p.path), "%s", p.String())
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &n, nil
}

// Marshal sorts n and writes it in its canonical form.
func (n *Needs) Marshal() ([]byte, error) {
	n.sort()
	f := &findings{file: "needs"}
	for _, p := range n.problems() {
		f.add(0, "%s", p.String())
	}
	if err := f.err(); err != nil {
		return nil, fmt.Errorf("writing needs: %w", err)
	}
	var e emitter
	if err := e.structure(reflect.ValueOf(*n), 0, false); err != nil {
		return nil, fmt.Errorf("writing needs: %w", err)
	}
	return e.Bytes(), nil
}

func (n *Needs) sort() {
	slices.SortFunc(n.Archives, func(a, b NeededArchive) int { return strings.Compare(a.ID(), b.ID()) })
	slices.SortFunc(n.Blobs, func(a, b NeededBlob) int { return strings.Compare(a.SHA256.Hex(), b.SHA256.Hex()) })
	slices.SortFunc(n.Hosts, func(a, b NeededHost) int { return strings.Compare(a.key(), b.key()) })
}

func (h NeededHost) key() string { return h.Name + " " + h.Descriptor + " " + h.Target }

// problems is all that is wrong with n.
func (n *Needs) problems() []lockProblem {
	c := &lockChecker{archives: map[string]bool{}, sizes: map[Digest]int64{}, paths: map[string]Digest{}}
	if n.Version != NeedsVersion {
		c.bad("satchel-needs", "version %d is not known; this satchel reads version %d", n.Version, NeedsVersion)
		return c.list
	}
	if n.Lock != nil && n.Lock.IsZero() {
		c.bad("lock", "it is empty; leave it out")
	}
	last := ""
	for i, a := range n.Archives {
		path := fmt.Sprintf("archives[%d]", i)
		last = c.order(path, last, a.ID())
		c.archives[a.ID()] = true
		c.archiveName(path, a.Name, a.Suite, a.URI)
		c.dates(path, a.Date, a.Snapshot)
	}
	last = ""
	for i, b := range n.Blobs {
		path := fmt.Sprintf("blobs[%d]", i)
		last = c.order(path, last, b.SHA256.Hex())
		c.needed(path, b)
	}
	last = ""
	for i, h := range n.Hosts {
		path := fmt.Sprintf("hosts[%d]", i)
		last = c.order(path, last, h.key())
		c.text(join(path, "name"), h.Name)
		c.check(join(path, "descriptor"), CheckName(h.Descriptor))
		c.check(join(path, "target"), CheckName(h.Target))
		for key, s := range map[string]string{"command": h.Command, "place": h.Place, "url": h.URL} {
			if s != "" {
				c.text(join(path, key), s)
			}
		}
	}
	return c.list
}

func (c *lockChecker) needed(path string, b NeededBlob) {
	c.text(join(path, "name"), b.Name)
	c.blob(path, b.Blob)
	if b.URL != "" {
		c.check(join(path, "url"), checkWebURL(b.URL))
	}
	switch {
	case b.Archive != "":
		c.inArchive(path, b.Archive, b.Path, b.Blob)
	case b.Path != "":
		c.bad(join(path, "path"), "it stands only beside archive")
	}
	for i, t := range b.Tried {
		p := fmt.Sprintf("%s.tried[%d]", path, i)
		c.text(join(p, "url"), t.URL)
		c.text(join(p, "answer"), t.Answer)
	}
}

// text wants something to show to people, on one line.
func (c *lockChecker) text(path, s string) {
	if s == "" || !clean(s) || len(s) > 4096 {
		c.bad(path, "%q cannot stand here: want a short text on one line", shorten(s))
	}
}
