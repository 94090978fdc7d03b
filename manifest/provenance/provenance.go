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
	Sudo   bool   `json:"sudo,omitempty"` // the script could become root inside
	Twice  *Twice `json:"twice,omitempty"`
}

// Twice says that it was built a second time, and with what otherwise.
type Twice struct {
	Same   bool        `json:"same"` // the outputs of both builds
	Varied []Variation `json:"varied"`
}

// Variation is something that the second build had otherwise than the first; or, with
// Why, what it had not, and why it could not be.
type Variation struct {
	Name   string `json:"name"`             // "host-name", as --same takes it
	What   string `json:"what"`             // for people
	First  string `json:"first,omitempty"`  // what the first build had
	Second string `json:"second,omitempty"` // and the second
	Why    string `json:"why,omitempty"`
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
