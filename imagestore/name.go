package imagestore

import (
	"errors"
	"fmt"
	"strings"
)

// splitName takes a name in a tar apart. It may begin with "/" or "./" and end
// with "/"; "." and empty parts are dropped. The root is no parts at all.
// A part "..", a NUL byte, and what no file system would take are refused.
func splitName(name string) ([]string, error) {
	if name == "" {
		return nil, errors.New("an entry without a name")
	}
	if len(name) > 4096 {
		return nil, fmt.Errorf("the name %q… of %d bytes is too long", name[:60], len(name))
	}
	if strings.IndexByte(name, 0) >= 0 {
		return nil, fmt.Errorf("the name %q has a NUL byte in it", name)
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return nil, fmt.Errorf("the name %q leads outside with \"..\"", name)
		case len(part) > 255:
			return nil, fmt.Errorf("the name %q… has a part of %d bytes", name[:60], len(part))
		default:
			parts = append(parts, part)
		}
	}
	return parts, nil
}
