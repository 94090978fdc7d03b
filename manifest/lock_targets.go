package manifest

import (
	"fmt"
	"strings"
)

func (c *lockChecker) targets(all []Target) {
	if len(all) == 0 {
		c.bad("targets", "there is none")
	}
	last := ""
	seen := map[string]bool{}
	for i, t := range all {
		path := fmt.Sprintf("targets[%d]", i)
		if t.Descriptor < last {
			c.bad(path, "targets of %q must come before those of %q", shorten(t.Descriptor), shorten(last))
		}
		last = t.Descriptor
		id := t.Descriptor + " " + t.Suite + " " + t.Architecture
		if seen[id] {
			c.bad(path, "%q is listed twice", shorten(id))
		}
		seen[id] = true
		if !c.names[t.Descriptor] {
			c.bad(join(path, "descriptor"), "%q is not among the descriptors", shorten(t.Descriptor))
		}
		c.used[t.Descriptor] = true
		c.target(path, t)
	}
}

func (c *lockChecker) target(path string, t Target) {
	c.check(join(path, "distro"), CheckName(t.Distro))
	c.check(join(path, "suite"), CheckName(t.Suite))
	if a := t.Architecture; a != "i386" && a != "amd64" && a != "linux64" {
		c.bad(join(path, "architecture"), "%q is unknown; want i386, amd64 or linux64", shorten(a))
	}
	c.image(join(path, "image"), t.Image)
	if t.Image.Kind == ImageBootstrap {
		if len(t.Packages) == 0 {
			c.bad(join(path, "packages"), "there is none, and no image either")
		}
		if len(t.Installed) > 0 {
			c.bad(join(path, "installed"), "without an image nothing is installed")
		}
	}
	last := ""
	for i, p := range t.Packages {
		at := fmt.Sprintf("%s.packages[%d]", path, i)
		last = c.order(at, last, sortKey(p.Name, p.Architecture))
		c.deb(at, p.Name, p.Version, p.Architecture)
		c.blob(at, p.Blob)
		c.voucher(at, t, p)
		c.why(join(at, "why"), p.Why)
	}
	last = ""
	for i, p := range t.Installed {
		at := fmt.Sprintf("%s.installed[%d]", path, i)
		last = c.order(at, last, sortKey(p.Name, p.Architecture))
		c.deb(at, p.Name, p.Version, p.Architecture)
		if p.SHA256 != nil && p.SHA256.IsZero() {
			c.bad(join(at, "sha256"), "it is empty; leave it out if it is not known")
		}
	}
}

// sortKey orders by name, then architecture: a space sorts below every
// character of either.
func sortKey(name, arch string) string { return name + " " + arch }

func (c *lockChecker) deb(path, name, version, arch string) {
	if !packageName(name) {
		c.bad(join(path, "name"), "%q is no name of a package", shorten(name))
	}
	if !packageVersion(version) {
		c.bad(join(path, "version"), "%q is no version", shorten(version))
	}
	if !architecture(arch) {
		c.bad(join(path, "architecture"), "%q is no architecture", shorten(arch))
	}
}

func (c *lockChecker) why(path, why string) {
	switch why {
	case "essential", "base", "asked for", "upgrade", "assert":
		return
	}
	name, ok := strings.CutPrefix(why, "dependency of ")
	name, arch, foreign := strings.Cut(name, ":")
	if !ok || !packageName(name) || foreign && !architecture(arch) {
		c.bad(path, "%q is none of essential, base, asked for, upgrade, assert, dependency of NAME or NAME:ARCHITECTURE", shorten(why))
	}
}

func (c *lockChecker) image(path string, m Image) {
	switch m.Kind {
	case ImageBootstrap:
		if m.From != "" || m.Manifest != nil || m.Config != nil || len(m.Layers) > 0 {
			c.bad(path, "kind bootstrap has no from, manifest, config or layers")
		}
	case ImageOCI:
		if m.MergedUsr {
			c.bad(join(path, "merged-usr"), "it stands only beside kind bootstrap")
		}
		if m.From == "" || !clean(m.From) {
			c.bad(join(path, "from"), "%q does not say where the image is from", shorten(m.From))
		}
		if m.Manifest == nil || m.Config == nil || len(m.Layers) == 0 {
			c.bad(path, "kind oci needs manifest, config and layers")
			return
		}
		c.ociBlob(join(path, "manifest"), *m.Manifest)
		c.ociBlob(join(path, "config"), *m.Config)
		for i, l := range m.Layers {
			c.ociBlob(fmt.Sprintf("%s.layers[%d]", path, i), l)
		}
	default:
		c.bad(join(path, "kind"), "%q is unknown; want bootstrap or oci", shorten(string(m.Kind)))
	}
}

func (c *lockChecker) ociBlob(path string, b OCIBlob) {
	if left, right, ok := strings.Cut(b.MediaType, "/"); !ok || len(b.MediaType) > 255 || !word(left, ".+-") || !word(right, ".+-") {
		c.bad(join(path, "media-type"), "%q is no media type", shorten(b.MediaType))
	}
	c.blob(path, b.Blob)
}
