// Package provenance says where a result comes from: an in-toto statement
// (in-toto.io/Statement/v1) whose subjects are the outputs and whose predicate is
// SLSA provenance v1 (slsa.dev/provenance/v1), and the DSSE envelope that carries
// it signed.
//
// What builders compare and sign is gitian's result; provenance holds besides
// what may differ between honest builders: times, engine, options.
package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
)

// Types that the documents name. BuildType is what buildDefinition means here; it
// is described in OFFLINE.md.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	BuildType     = "urn:satchel:gitian-build:v1"
	BuilderID     = "urn:satchel:runner:v1"
)

// Statement is in-toto's statement with SLSA's predicate.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"` // the outputs, by path
	PredicateType string     `json:"predicateType"`
	Predicate     Predicate  `json:"predicate"`
}

// Resource is in-toto's ResourceDescriptor.
type Resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest"` // algorithm → lower-case hexadecimal
}

// Predicate is SLSA's provenance, version 1.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what was asked for and all that it was made from.
type BuildDefinition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   External   `json:"externalParameters"`
	InternalParameters   Internal   `json:"internalParameters"`
	ResolvedDependencies []Resource `json:"resolvedDependencies"`
}

// External is what who builds asks for: a descriptor of a lock.
type External struct {
	Descriptor string   `json:"descriptor"`
	Targets    []string `json:"targets"` // SUITE-ARCHITECTURE
	Reference  string   `json:"reference"`
}

// Internal is how this builder went about it.
type Internal struct {
	Engine string `json:"engine"`
	Jobs   int    `json:"jobs"`
	Memory int64  `json:"memoryMiB"`
}

// RunDetails is who built, when, and what else came of it.
type RunDetails struct {
	Builder    Builder    `json:"builder"`
	Metadata   Metadata   `json:"metadata"`
	Byproducts []Resource `json:"byproducts"` // gitian's result and the environments
}

// Builder is satchel itself.
type Builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// Metadata is when it was. Times are UTC, without fractions.
type Metadata struct {
	Started  *time.Time `json:"startedOn,omitempty"`
	Finished *time.Time `json:"finishedOn,omitempty"`
}

// Build is all that goes into a statement.
type Build struct {
	Lock         *manifest.Lock
	Bundle       manifest.Digest // the bundle's identity; zero, and left out, if there is none
	Descriptor   manifest.DescriptorPin
	Result       *manifest.Result
	ResultText   []byte                     // NAME-res.yml
	Environments map[string]manifest.Digest // by target
	Satchel      string                     // version
	Internal     Internal
	Started      time.Time
	Finished     time.Time
}

// environmentName is what a byproduct that is an environment is called.
const environmentName = "environment "

// New makes the statement. Everything is sorted, so that equal builds have equal
// statements but for Internal and the times.
func New(b Build) (*Statement, error) {
	lock, err := b.Lock.Marshal()
	if err != nil {
		return nil, fmt.Errorf("writing provenance: %w", err)
	}
	s := &Statement{Type: StatementType, PredicateType: PredicateType, Subject: []Resource{}}
	for _, o := range b.Result.Out {
		s.Subject = append(s.Subject, Resource{Name: o.Path, Digest: sha256(o.SHA256)})
	}
	d := &s.Predicate.BuildDefinition
	d.BuildType, d.InternalParameters = BuildType, b.Internal
	d.ExternalParameters = External{Descriptor: b.Descriptor.Name, Targets: []string{}, Reference: b.Descriptor.Reference}
	d.ResolvedDependencies = []Resource{{Name: "lock", Digest: sha256(manifest.Sum(lock))}}
	if !b.Bundle.IsZero() {
		d.ResolvedDependencies = append(d.ResolvedDependencies, Resource{Name: "bundle", Digest: sha256(b.Bundle)})
	}
	d.ResolvedDependencies = append(d.ResolvedDependencies, inputs(b.Descriptor)...)
	for _, t := range b.Lock.Targets {
		if t.Descriptor == b.Descriptor.Name {
			d.ExternalParameters.Targets = append(d.ExternalParameters.Targets, t.Suite+"-"+t.Architecture)
			d.ResolvedDependencies = append(d.ResolvedDependencies, packages(t)...)
		}
	}
	d.ResolvedDependencies = once(d.ResolvedDependencies)
	r := &s.Predicate.RunDetails
	r.Builder = Builder{ID: BuilderID, Version: map[string]string{"satchel": b.Satchel}}
	r.Metadata = Metadata{Started: stamp(b.Started), Finished: stamp(b.Finished)}
	r.Byproducts = []Resource{{Name: b.Descriptor.Name + "-res.yml", Digest: sha256(manifest.Sum(b.ResultText))}}
	for _, target := range sorted(b.Environments) {
		r.Byproducts = append(r.Byproducts, Resource{Name: environmentName + target, Digest: sha256(b.Environments[target])})
	}
	return s, nil
}

func sha256(d manifest.Digest) map[string]string { return map[string]string{"sha256": d.Hex()} }

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// inputs are the descriptor, its sources with their submodules, and its files.
func inputs(pin manifest.DescriptorPin) []Resource {
	all := []Resource{{Name: pin.File, Digest: sha256(pin.SHA256)}}
	for _, s := range pin.Sources {
		all = append(all, Resource{Name: s.Dir, URI: gitURI(s.URL), Digest: map[string]string{"gitCommit": s.Commit}})
		for _, m := range s.Submodules {
			all = append(all, Resource{Name: s.Dir + "/" + m.Path, URI: gitURI(m.URL), Digest: map[string]string{"gitCommit": m.Commit}})
		}
	}
	for _, f := range pin.Files {
		all = append(all, Resource{Name: f.Name, URI: f.URL, Digest: sha256(f.SHA256)})
	}
	return all
}

// gitURI is a remote as SPDX writes it; a path of somebody's machine is none.
func gitURI(remote string) string {
	if u, err := url.Parse(remote); err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	return "git+" + remote
}

// packages are the image and the .debs of a target.
func packages(t manifest.Target) []Resource {
	var all []Resource
	if t.Image.Manifest != nil {
		all = append(all, Resource{Name: "image of " + t.Suite + "-" + t.Architecture, Digest: sha256(t.Image.Manifest.SHA256)})
	}
	for _, p := range t.Packages {
		all = append(all, Resource{Name: manifest.DebName(p.Name, p.Version, p.Architecture),
			URI: packageURL(t.Distro, p.Name, p.Version, p.Architecture), Digest: sha256(p.SHA256)})
	}
	return all
}

// packageURL is a package as purl writes it.
func packageURL(distro, name, version, architecture string) string {
	return "pkg:deb/" + distro + "/" + url.PathEscape(name) + "@" + strings.NewReplacer(":", "%3A", "+", "%2B").Replace(version) + "?arch=" + architecture
}

// once drops what two targets share; the order stays.
func once(all []Resource) []Resource {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(r Resource) bool {
		key := fmt.Sprintf("%s %s %v", r.Name, r.URI, r.Digest)
		old := seen[key]
		seen[key] = true
		return old
	})
}

func sorted(m map[string]manifest.Digest) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Marshal writes the statement: indented JSON with a line end.
func (s *Statement) Marshal() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("writing provenance: %w", err)
	}
	return b.Bytes(), nil
}

// maxStatement bounds a statement, in bytes.
const maxStatement = 32 << 20

// Parse reads a statement that Marshal may have written. It refuses other types
// of statements; fields that it does not know are left alone.
func Parse(file string, data []byte) (*Statement, error) {
	if len(data) > maxStatement {
		return nil, fmt.Errorf("reading provenance %s: it has %d bytes, the limit is %d", file, len(data), maxStatement)
	}
	var s Statement
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading provenance %s: %w", file, err)
	}
	switch {
	case s.Type != StatementType || s.PredicateType != PredicateType:
		return nil, fmt.Errorf("reading provenance %s: it is of type %.60q, %.60q", file, s.Type, s.PredicateType)
	case s.Predicate.BuildDefinition.BuildType != BuildType:
		return nil, fmt.Errorf("reading provenance %s: it is about a build of type %.60q", file, s.Predicate.BuildDefinition.BuildType)
	}
	return &s, nil
}

// ErrOther is returned for provenance that is about something else.
var ErrOther = errors.New("the provenance is of another result")

// Of checks that the statement is about a result: that its subjects are its outputs.
func (s *Statement) Of(r *manifest.Result) error {
	want := map[string]string{}
	for _, o := range r.Out {
		want[o.Path] = o.SHA256.Hex()
	}
	for _, o := range s.Subject {
		if want[o.Name] == "" || want[o.Name] != o.Digest["sha256"] {
			return fmt.Errorf("%w: it names %.80q with sha256 %.64q", ErrOther, o.Name, o.Digest["sha256"])
		}
	}
	if len(want) != len(s.Subject) {
		return fmt.Errorf("%w: it names %d outputs of %d", ErrOther, len(s.Subject), len(want))
	}
	return nil
}

// Environments are the digests of the environments, by target.
func (s *Statement) Environments() map[string]manifest.Digest {
	all := map[string]manifest.Digest{}
	for _, b := range s.Predicate.RunDetails.Byproducts {
		if target, ok := strings.CutPrefix(b.Name, environmentName); ok && manifest.CheckName(target) == nil {
			if d, err := manifest.ParseDigest(b.Digest["sha256"]); err == nil {
				all[target] = d
			}
		}
	}
	return all
}
