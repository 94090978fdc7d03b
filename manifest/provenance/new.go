package provenance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
)

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
	for _, a := range b.Lock.AssertsOf(b.Descriptor.Name) {
		d.ResolvedDependencies = append(d.ResolvedDependencies, Resource{Name: strings.TrimSpace("assert " + a.Release), Digest: sha256(a.SHA256)})
	}
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
