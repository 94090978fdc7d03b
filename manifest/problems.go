package manifest

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// A Problem is one thing that is wrong with a document.
type Problem struct {
	Line    int    // from 1; 0 when no line can be named
	Message string // the reason and, where there is one, the way out
}

// Problems is the error of every parser of this package: all that is wrong
// with a document, in the order of its lines.
type Problems struct {
	File string // name of the document, for messages
	List []Problem
}

// Error returns one "file:line: message" for each problem, a line each.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, q := range p.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.File)
		if q.Line > 0 {
			fmt.Fprintf(&b, ":%d", q.Line)
		}
		b.WriteString(": " + q.Message)
	}
	return b.String()
}

// maxProblems bounds what one document can make us say.
const maxProblems = 100

// findings collects problems while a document is read.
type findings struct {
	file  string
	lines int // of the document; what is missing behind its end is missing in the last
	list  []Problem
	more  int // problems beyond maxProblems
}

func newFindings(file string, data []byte) findings {
	return findings{file: file, lines: countLines(data)}
}

func (f *findings) add(line int, format string, args ...any) {
	if len(f.list) == maxProblems {
		f.more++
		return
	}
	if f.lines > 0 {
		line = min(line, f.lines)
	}
	f.list = append(f.list, Problem{Line: line, Message: fmt.Sprintf(format, args...)})
}

// err returns all problems as one error, or nil.
func (f *findings) err() error {
	if len(f.list) == 0 {
		return nil
	}
	sort.SliceStable(f.list, func(i, j int) bool { return f.list[i].Line < f.list[j].Line })
	if f.more > 0 {
		f.list = append(f.list, Problem{Message: fmt.Sprintf("%d more problems are not listed", f.more)})
	}
	return &Problems{File: f.file, List: f.list}
}

// display returns s as it may stand in a message: bare if it is short and
// printable, quoted otherwise.
func display(s string) string {
	if clean(s) && len(s) <= 80 {
		return s
	}
	return strconv.Quote(shorten(s))
}
