package aptmirror

import (
	"strings"
)

// FileName stands in the URI of a service that has every package ever published,
// by the name of its file alone, for that name.
const FileName = "@FILE@"

// fileServices returns the URIs, with FileName in them, of such services.
// Launchpad keeps every package that Ubuntu has had, those that no pool has any
// more, too.
func fileServices(archive string) []string {
	if archive == "ubuntu" || archive == "ubuntu-ports" {
		return []string{"https://launchpad.net/ubuntu/+archive/primary/+files/" + FileName}
	}
	return nil
}

// Files returns the addresses of a package at services that have an archive's
// packages by name: those given, then the canonical ones.
func (m Mirrors) Files(archive, name, version, arch string) []string {
	var all []string
	for _, uri := range m.Given[archive] {
		if strings.Contains(uri, FileName) {
			all = append(all, uri)
		}
	}
	if !m.GivenOnly {
		all = append(all, fileServices(archive)...)
	}
	file := strings.NewReplacer("+", "%2B", "~", "%7E").Replace(debName(name, version, arch))
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], FileName, file)
	}
	return all
}

// PoolPath is where an archive would have a package that no index lists any
// more: beside the package that has its name now, if there is one, or below its
// own name in a component.
func PoolPath(name, version, arch, beside, component string) string {
	if i := strings.LastIndexByte(beside, '/'); i >= 0 {
		return beside[:i+1] + debName(name, version, arch)
	}
	prefix := name[:1]
	if strings.HasPrefix(name, "lib") && len(name) > 3 {
		prefix = name[:4]
	}
	return "pool/" + component + "/" + prefix + "/" + name + "/" + debName(name, version, arch)
}
