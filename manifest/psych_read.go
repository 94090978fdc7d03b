package manifest

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// psychNode reads what nearly all results and asserts are made of: the few shapes in
// which Ruby writes an ordered map of texts, and people's trees have thousands of them. It
// returns the very nodes that the YAML parser would (but for columns and
// comments, which nobody here asks for), in a fraction of its time; or nil, where it is
// not sure, and the parser is to read it.
//
// It knows, a line each unless said otherwise:
//
//	--- !omap             or !!omap; there is nothing before it
//	- KEY: |              or |-, and lines that are indented alike; behind them, lines that are empty
//	- KEY: 'TEXT          or ! '; each line break is written as two; up to a last '
//	- KEY: WORD           or '' or "" or nothing
//	- KEY: !omap          or !!omap, and such lines again, indented
func psychNode(data []byte) *yaml.Node {
	if !bytes.HasPrefix(data, []byte("--- !")) || data[len(data)-1] != '\n' {
		return nil
	}
	for _, c := range data {
		if c >= 0x7f || c < ' ' && c != '\n' {
			return nil
		}
	}
	r := psychReader{rest: string(data)}
	root := r.omap(strings.TrimPrefix(r.next(), "---"))
	if root == nil || !r.entries(root, 0) || r.rest != "" {
		return nil
	}
	return root
}

// psychReader reads line by line.
type psychReader struct {
	rest string // what follows the lines that were read
	line int    // the number of the last one
	seen int    // entries that were read
}

// next takes a line.
func (r *psychReader) next() string {
	line, rest, _ := strings.Cut(r.rest, "\n")
	r.rest = rest
	r.line++
	return line
}

// omap is the list that a tag begins, nil if s is no such tag.
func (r *psychReader) omap(s string) *yaml.Node {
	tag := strings.TrimRight(strings.TrimPrefix(s, " "), " ")
	if tag != "!omap" && tag != "!!omap" || !strings.HasPrefix(s, " ") {
		return nil
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: tag, Style: yaml.TaggedStyle, Line: r.line}
}

// entries reads the entries of a list whose dashes stand behind indent spaces. It
// ends before a line that has none there.
func (r *psychReader) entries(list *yaml.Node, indent int) bool {
	dash := strings.Repeat(" ", indent) + "- "
	for strings.HasPrefix(r.rest, dash) {
		if r.seen++; r.seen > 1000 {
			return false // no result; the parser's limits are for such
		}
		line := r.next()
		key, value, ok := strings.Cut(line[len(dash):], ":")
		if !ok || !psychWord(key) || len(key) > 100 || value != "" && value[0] != ' ' {
			return false
		}
		entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: r.line}
		entry.Content = []*yaml.Node{r.plain(key), r.value(value, indent+len("- "))}
		if entry.Content[1] == nil {
			return false
		}
		list.Content = append(list.Content, entry)
	}
	return len(list.Content) > 0
}

// value reads what follows a key's colon; the key stands behind indent spaces.
func (r *psychReader) value(s string, indent int) *yaml.Node {
	trimmed := strings.Trim(s, " ")
	quoted, isQuoted := strings.CutPrefix(s, " '")
	if !isQuoted {
		quoted, isQuoted = strings.CutPrefix(s, " ! '")
	}
	switch {
	case isQuoted:
		return r.quoted(quoted)
	case trimmed == "|" || trimmed == "|-":
		return r.literal(indent, trimmed == "|")
	case trimmed == "":
		return r.plain("")
	case trimmed == `""`:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Line: r.line}
	case psychWord(trimmed):
		return r.plain(trimmed)
	}
	list := r.omap(s)
	if list == nil {
		return nil
	}
	deeper := len(r.rest) - len(strings.TrimLeft(r.rest, " "))
	if deeper < indent || !r.entries(list, deeper) {
		return nil
	}
	return list
}

// plain is a word without quotes; the parser's own rules say whether it is a number.
func (r *psychReader) plain(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: strings.Clone(s), Line: r.line}
	n.Tag = n.ShortTag()
	return n
}

// psychWord reports whether s is a word that stands for itself.
func psychWord(s string) bool {
	return word(s, ".-") && s[0] != '.' && s[0] != '-'
}

// literal reads the lines of a block.
func (r *psychReader) literal(indent int, ended bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.LiteralStyle, Line: r.line}
	deep := len(r.rest) - len(strings.TrimLeft(r.rest, " "))
	if deep <= indent {
		return nil // it is empty, or begins with a blank line
	}
	margin, end, size := r.rest[:deep], 0, 0
	for strings.HasPrefix(r.rest[end:], margin) {
		length := strings.IndexByte(r.rest[end:], '\n') + 1
		end, size = end+length, size+length-deep
	}
	var text strings.Builder
	text.Grow(size)
	for stop := len(r.rest) - end; len(r.rest) > stop; {
		line := r.next()[deep:]
		if strings.Trim(line, " ") == "" {
			return nil
		}
		text.WriteString(line)
		text.WriteByte('\n')
	}
	for strings.HasPrefix(r.rest, "\n") {
		r.next()
	}
	n.Value = text.String()
	if !ended {
		n.Value = strings.TrimSuffix(n.Value, "\n")
	}
	return n
}

// quoted reads a text up to its closing quote; s follows the opening one.
func (r *psychReader) quoted(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.SingleQuotedStyle, Line: r.line}
	var text strings.Builder
	for {
		body, after, closed := strings.Cut(s, "'")
		text.WriteString(body)
		if closed {
			n.Value = text.String()
			if strings.Trim(after, " ") != "" { // a quote in the text, or something behind it
				return nil
			}
			return n
		}
		if s == "" || strings.HasSuffix(s, " ") || r.rest == "" || r.next() != "" || r.rest == "" {
			return nil
		}
		text.WriteByte('\n')
		line := r.next()
		s = strings.TrimLeft(line, " ")
		if s == "" || s == line && s[0] != '\'' {
			return nil
		}
	}
}
