package manifest

import (
	"bytes"
	"regexp"
)

// versionLine matches a directive of the version that the parser does not know. What
// it knows as 1.1 has the same syntax, as far as either it or libyaml reads it.
const versionLine = `^%YAML[ \t]+0*1\.0*(2)(?:[ \t\r\n]|$)`

// oldDirective returns data with a directive of version 1.2 at its beginning, which
// libyaml and so Ruby take, written as one of 1.1, all that the parser takes. Nothing
// moves, so lines stay what they are.
func oldDirective(data []byte) []byte {
	var version *regexp.Regexp
	for at := 0; at < len(data); {
		line := data[at:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		switch text := bytes.TrimLeft(line, " \t\r\n"); {
		case len(text) == 0, text[0] == '#':
		case text[0] != '%':
			return data
		default:
			if version == nil {
				version = regexp.MustCompile(versionLine)
			}
			if found := version.FindSubmatchIndex(line); found != nil {
				data = bytes.Clone(data)
				data[at+found[2]] = '1'
				return data
			}
		}
		at += len(line)
	}
	return data
}
