package imagestore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// platformOf says how OCI spells dpkg's name of an architecture. gitian's
// "linux64" is amd64.
func platformOf(architecture string) (v1.Platform, error) {
	p := v1.Platform{OS: "linux", Architecture: architecture}
	switch architecture {
	case "":
		return p, fmt.Errorf("choosing an image: no architecture was given")
	case "linux64":
		p.Architecture = "amd64"
	case "i386":
		p.Architecture = "386"
	case "arm64":
		p.Variant = "v8"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v5"
	case "ppc64el":
		p.Architecture = "ppc64le"
	case "mips64el":
		p.Architecture = "mips64le"
	}
	return p, nil
}

// Names under which an index calls its images.
const (
	annotationRef        = "org.opencontainers.image.ref.name"
	annotationContainerd = "io.containerd.image.name"
	annotationDocker     = "vnd.docker.reference.type" // set on what is no image, such as attestations
)

// Choose finds in an index (its bytes) the image for Linux on architecture (as
// dpkg spells it), or another index to look into. ref, if not empty, is a name
// that the index gives the image, or its digest. When none or several fit, the
// error lists what there is.
func Choose(index []byte, architecture, ref string) (manifest.OCIBlob, error) {
	want, err := platformOf(architecture)
	if err != nil {
		return manifest.OCIBlob{}, err
	}
	var m v1.IndexManifest
	if err := json.Unmarshal(index, &m); err != nil {
		return manifest.OCIBlob{}, fmt.Errorf("reading image index: %w", err)
	}
	if m.SchemaVersion != 2 {
		return manifest.OCIBlob{}, fmt.Errorf("reading image index: schema version %d: %w", m.SchemaVersion, ErrUnsupported)
	}
	var all, fit []v1.Descriptor
	for _, d := range m.Manifests {
		if !isImage(d.MediaType) && !isIndex(d.MediaType) || d.Annotations[annotationDocker] != "" || !isConfig(d.ArtifactType) {
			continue
		}
		all = append(all, d)
		if named(d, ref) && (d.Platform == nil || runs(*d.Platform, want)) {
			fit = append(fit, d)
		}
	}
	fit = preferred(fit, want)
	if len(fit) != 1 {
		return manifest.OCIBlob{}, choiceError(all, fit, want, ref)
	}
	return blobOf(fit[0])
}

// isConfig tells whether an artifact type is none but a container image's;
// some tools put the config's media type there.
func isConfig(artifactType string) bool {
	t := types.MediaType(artifactType)
	return t == "" || t == types.OCIConfigJSON || t == types.DockerConfigJSON
}

// named tells whether ref names d.
func named(d v1.Descriptor, ref string) bool {
	return ref == "" || slices.Contains(namesOf(d), ref) || d.Digest.String() == ref
}

func namesOf(d v1.Descriptor) []string {
	var names []string
	for _, key := range []string{annotationContainerd, annotationRef} {
		if n := d.Annotations[key]; n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// runs tells whether what is made for have runs on want. No variant at all is
// the architecture's usual one.
func runs(have, want v1.Platform) bool {
	return have.OS == want.OS && have.Architecture == want.Architecture &&
		(have.Variant == "" || want.Variant == "" || have.Variant == want.Variant)
}

// preferred drops doubles, and out of several variants keeps the one that was
// asked for, or else the plain one.
func preferred(fit []v1.Descriptor, want v1.Platform) []v1.Descriptor {
	var once, exact []v1.Descriptor
	for _, d := range fit {
		if slices.ContainsFunc(once, func(o v1.Descriptor) bool { return o.Digest == d.Digest }) {
			continue
		}
		once = append(once, d)
		if d.Platform != nil && d.Platform.Variant == want.Variant {
			exact = append(exact, d)
		}
	}
	if len(exact) == 1 && !slices.ContainsFunc(once, func(d v1.Descriptor) bool { return d.Platform == nil }) {
		return exact
	}
	return once
}

func choiceError(all, fit []v1.Descriptor, want v1.Platform, ref string) error {
	list := fit
	what := "holds several images; choose one with #NAME or #DIGEST"
	if len(fit) == 0 {
		list = all
		what = fmt.Sprintf("holds no image for %s/%s", want.OS, want.Architecture)
		if ref != "" {
			what += fmt.Sprintf(" called %.200q", ref)
		}
	}
	var lines []string
	for i, d := range list {
		if i == 20 {
			lines = append(lines, "…")
			break
		}
		line := d.Digest.String()
		if names := namesOf(d); len(names) > 0 {
			line = fmt.Sprintf("%.200q", strings.Join(names, " ")) + " " + line
		}
		if d.Platform != nil {
			line += fmt.Sprintf(" %.40q", d.Platform.String())
		}
		lines = append(lines, line)
	}
	if lines == nil {
		lines = []string{"none at all"}
	}
	return fmt.Errorf("reading image index: it %s; there are: %s: %w", what, strings.Join(lines, ", "), ErrUnsupported)
}
