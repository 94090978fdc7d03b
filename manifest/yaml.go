package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Limits of every document. A node costs about 200 bytes, so that the largest
// document allowed needs about 100 MB at worst.
const (
	maxDescriptor = 4 << 20  // bytes of a descriptor or of settings
	maxLock       = 16 << 20 // bytes of a lock
	maxResult     = 16 << 20 // bytes of a result or an assert
	maxIndicators = 1 << 19  // characters that could begin a YAML node
	maxNodes      = 1 << 19  // nodes visited, aliases followed
)

// readNode parses the first YAML document of data, which may begin with a byte
// order mark, and returns its root. With only set a second document is refused.
// A *Problems with the right line is returned for whatever is wrong.
func readNode(file string, data []byte, max int, only bool) (*yaml.Node, error) {
	f := &findings{file: file}
	if len(data) > max {
		f.add(0, "it has %d bytes, more than the %d that are allowed", len(data), max)
		return nil, f.err()
	}
	if root := psychNode(data); root != nil {
		return root, nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if line, msg := checkText(data); msg != "" {
		f.add(line, "%s", msg)
		return nil, f.err()
	}
	if n := indicators(data); n > maxIndicators {
		f.add(0, "it has more than %d items", maxIndicators)
		return nil, f.err()
	}
	data = oldDirective(data)
	root, rest, err := decodeNode(bytes.NewReader(data), only)
	if err != nil {
		line := errorLine(data, err)
		f.add(line, "%s", explainYAML(err, lineOf(data, line)))
		return nil, f.err()
	}
	if root == nil || isNull(root) {
		f.add(1, "it is empty")
		return nil, f.err()
	}
	if only && rest {
		f.add(0, "it holds more than one document; keep one")
		return nil, f.err()
	}
	return root, nil
}

// checkText refuses bytes that no YAML text holds.
func checkText(data []byte) (line int, msg string) {
	line = 1
	for i := 0; i < len(data); {
		c := data[i]
		switch {
		case c == '\n':
			line++
		case c == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			line++
		case c < 0x20 && c != '\t' && c != '\r', c == 0x7f:
			return line, fmt.Sprintf("control character \\x%02x; remove it", c)
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				return line, fmt.Sprintf("byte \\x%02x is not UTF-8; save the file as UTF-8", c)
			}
			if r >= 0x80 && r < 0xa0 && r != 0x85 || r == 0xfeff || r == 0xfffe || r == 0xffff {
				return line, fmt.Sprintf("control character %U; remove it", r)
			}
			i += n
			continue
		}
		i++
	}
	return 0, ""
}

// indicators counts what may begin a node: an upper bound, for little effort.
func indicators(data []byte) int {
	n := 0
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			n++
		case '-', ':', '?':
			if i+1 == len(data) || strings.IndexByte(" \t\r\n", data[i+1]) >= 0 {
				n++
			}
		}
	}
	return n
}

// decodeNode returns the root of the first document, nil if there is none, and,
// if look is set, whether anything follows it.
func decodeNode(r io.Reader, look bool) (root *yaml.Node, rest bool, err error) {
	defer func() {
		// The parser is not ours and what it reads is hostile: its panic is an error.
		if p := recover(); p != nil {
			root, rest, err = nil, false, fmt.Errorf("yaml: %v", p)
		}
	}()
	d := yaml.NewDecoder(r)
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, false, nil
		}
		return nil, false, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, false, nil
	}
	if look {
		var next yaml.Node
		rest = !errors.Is(d.Decode(&next), io.EOF)
	}
	return doc.Content[0], rest, nil
}

// errorLine finds the line that makes data fail as it does. The parser itself
// often names the beginning of the surrounding block, so the shortest run of
// leading lines that fails in the very same way is looked for, backwards from
// the last line that the parser asked for.
func errorLine(data []byte, err error) int {
	ends := lineEnds(data)
	fails := func(n int) bool {
		_, _, e := decodeNode(bytes.NewReader(data[:ends[n-1]]), false)
		return e != nil && e.Error() == err.Error()
	}
	feed := &lineFeed{data: data, ends: ends}
	decodeNode(feed, false)
	lo, hi := 1, max(feed.lines, 1) // the answer is in [lo, hi]
	if !fails(hi) {
		hi = len(ends)
	}
	for step := 1; hi-step >= lo; step *= 2 {
		if !fails(hi - step) {
			lo = hi - step + 1
			break
		}
		hi -= step
	}
	for lo < hi {
		if mid := (lo + hi) / 2; fails(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// lineFeed hands out at most a line at a time and counts them.
type lineFeed struct {
	data  []byte
	ends  []int
	pos   int
	lines int // begun
}

func (f *lineFeed) Read(p []byte) (int, error) {
	if f.pos == len(f.data) {
		return 0, io.EOF
	}
	if f.lines == 0 || f.pos == f.ends[f.lines-1] {
		f.lines++
	}
	n := copy(p, f.data[f.pos:f.ends[f.lines-1]])
	f.pos += n
	return n, nil
}

// lineEnds returns, for each line of data, the offset behind it.
func lineEnds(data []byte) []int {
	var ends []int
	for i, c := range data {
		if c == '\n' || c == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] != len(data) {
		ends = append(ends, len(data))
	}
	return ends
}

// countLines is how many lines lineEnds finds.
func countLines(data []byte) int {
	if bytes.IndexByte(data, '\r') >= 0 {
		return len(lineEnds(data))
	}
	n := bytes.Count(data, []byte("\n"))
	if !bytes.HasSuffix(data, []byte("\n")) {
		n++
	}
	return n
}

// lineOf returns the text of line n, from 1.
func lineOf(data []byte, n int) string {
	ends := lineEnds(data)
	if n < 1 || n > len(ends) {
		return ""
	}
	from := 0
	if n > 1 {
		from = ends[n-2]
	}
	return strings.TrimRight(string(data[from:ends[n-1]]), "\r\n")
}

// explainYAML puts the parser's own reason into words with a way out.
func explainYAML(err error, text string) string {
	msg := regexp.MustCompile(`^(yaml: )+(line \d+: )?`).ReplaceAllString(err.Error(), "")
	why := ""
	switch {
	case strings.HasPrefix(strings.TrimLeft(text, " "), "\t"):
		why = "; a tab indents this line: use spaces"
	case strings.ContainsAny(text, "“”‘’"):
		why = "; a curly quote is no quote: use \""
	case strings.Contains(msg, "did not find expected key"), strings.Contains(msg, "did not find expected '-' indicator"):
		why = "; look here and above for an unclosed quote or a wrong indentation"
	case strings.Contains(msg, "mapping values are not allowed"):
		why = "; look here and above for a missing quote, a second \": \" or a first line that is not ---"
	case strings.Contains(msg, "unexpected end of stream"):
		why = "; a quote or bracket that begins here is never closed"
	}
	return "not valid YAML: " + msg + why
}
