package aptconf

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is read. apt has some of them, too.
const (
	maxText     = 1 << 20 // bytes of a file
	maxLine     = 16 << 10
	maxItems    = 10_000
	maxDepth    = 10 // files within files
	maxIncludes = 200
	maxWord     = 1000 // bytes of a statement; apt's buffers have 1024
)

// Include returns the files that an #include directive names, in order.
type Include func(name string) ([]File, error)

// A File is a configuration file.
type File struct {
	Name string
	Text []byte
}

// Read adds what a file says to c. Errors name file and line; c then has what
// stands before it.
func (c *Config) Read(f File, include Include) error { return c.read(f, include, 0) }

func (c *Config) read(f File, include Include, depth int) error {
	if len(f.Text) > maxText {
		return fmt.Errorf("reading %s: it has more than %d bytes", f.Name, maxText)
	}
	r := &reader{c: c, include: include, depth: depth}
	lines := strings.Split(string(f.Text), "\n")
	for i, line := range lines {
		if err := r.line(line); err != nil {
			return fmt.Errorf("reading %s: line %d: %w", f.Name, i+1, err)
		}
	}
	if r.text != "" {
		return fmt.Errorf("reading %s: line %d: its last statement has no end", f.Name, len(lines))
	}
	return nil
}

// reader is where a file has been read to.
type reader struct {
	c       *Config
	include Include
	depth   int

	comment bool     // in one of many lines
	text    string   // of a statement that has not ended
	scope   string   // full name of the block
	outer   []string // scopes around it
}

func (r *reader) line(line string) error {
	if strings.IndexByte(line, 0) >= 0 {
		return errors.New("it has a NUL byte")
	}
	if len(line) > maxLine {
		return fmt.Errorf("it has more than %d bytes", maxLine)
	}
	line = strings.Trim(strings.ReplaceAll(line, "\t", "        "), space)
	if r.comment {
		_, rest, ok := strings.Cut(line, "*/")
		if !ok {
			return nil
		}
		line, r.comment = rest, false
	}
	line = r.blocksOut(lineOut(line))
	quoted, start := false, 0
	for i := 0; i < len(line); i++ {
		if line[i] == '"' {
			quoted = !quoted
		}
		if !quoted && strings.IndexByte("{;}", line[i]) >= 0 {
			r.add(line[start:i])
			start = i + 1
			if err := r.bounded(); err != nil {
				return err
			}
			if err := r.statement(line[i]); err != nil {
				return err
			}
		}
	}
	r.add(line[start:])
	return r.bounded()
}

func (r *reader) bounded() error {
	if len(r.text) > maxWord || len(r.scope) > maxWord {
		return fmt.Errorf("a statement or a block's name has more than %d bytes", maxWord)
	}
	if r.c.items > maxItems {
		return fmt.Errorf("there are more than %d items", maxItems)
	}
	return nil
}

// space is what C's isspace is true of.
const space = " \t\n\v\f\r"

// add appends a piece to the statement, with one space between.
func (r *reader) add(piece string) {
	piece = strings.Trim(piece, space)
	if r.text != "" && piece != "" {
		r.text += " "
	}
	r.text += piece
}

// inQuotes tells whether i stands within quotes.
func inQuotes(line string, i int) bool { return strings.Count(line[:i], `"`)%2 != 0 }

// lineOut cuts off a comment that reaches to the line's end.
func lineOut(line string) string {
	for i := 0; i < len(line); i++ {
		if strings.HasPrefix(line[i:], "//") && !inQuotes(line, i) {
			line = line[:i]
		}
	}
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && !inQuotes(line, i) && !isDirective(line[i+1:]) {
			line = line[:i]
		}
	}
	return line
}

func isDirective(s string) bool {
	return strings.HasPrefix(s, "clear") || strings.HasPrefix(s, "include") || strings.HasPrefix(s, "x-apt-configure-index")
}

// blocksOut cuts comments in the line out, or from where one begins that goes on.
func (r *reader) blocksOut(line string) string {
	var kept strings.Builder
	for i := 0; i < len(line); {
		switch {
		case !strings.HasPrefix(line[i:], "/*"):
			i++
		case inQuotes(line, i):
			i += 2
		default:
			kept.WriteString(line[:i])
			_, rest, ok := strings.Cut(line[i+2:], "*/")
			if !ok {
				r.comment = true
				return kept.String()
			}
			line, i = rest, 0
		}
	}
	return kept.String() + line
}
