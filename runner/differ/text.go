package differ

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
)

// maxLine is where longer lines are cut into several, in bytes.
const maxLine = 64 << 10

// lines reads a text line by line and sums them up in a way that does not depend
// on their order.
type lines struct {
	r        *bufio.Reader
	seed     maphash.Seed
	n        int
	sum, mix uint64
}

func (w *work) lines(p part, seed maphash.Seed) *lines {
	return &lines{r: bufio.NewReaderSize(p.section(), maxLine), seed: seed}
}

// next is the next line; false after the last. It is valid until the next call.
func (l *lines) next() ([]byte, bool, error) {
	line, err := l.r.ReadSlice('\n')
	if len(line) == 0 {
		if err == io.EOF {
			err = nil
		}
		return nil, false, err
	}
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return nil, false, err
	}
	l.n++
	h := maphash.Bytes(l.seed, bytes.TrimSuffix(line, []byte("\n")))
	l.sum += h
	l.mix += h * h // two texts that agree in both have the same lines
	return line, true, nil
}

// texts compares two texts: the first line that differs, and whether only the order
// of the lines does.
func (w *work) texts(_ int, a, b part) ([]Difference, error) {
	seed := maphash.MakeSeed()
	la, lb := w.lines(a, seed), w.lines(b, seed)
	var found *Difference
	moreA, moreB, others := true, true, 0
	for moreA || moreB {
		if err := w.ctx.Err(); err != nil {
			return nil, context.Cause(w.ctx)
		}
		var x, y []byte
		var err error
		if moreA {
			if x, moreA, err = la.next(); err != nil {
				return nil, err
			}
		}
		if moreB {
			if y, moreB, err = lb.next(); err != nil {
				return nil, err
			}
		}
		switch {
		case bytes.Equal(x, y):
		case found == nil:
			d := w.line(max(la.n, lb.n), x, y, moreA, moreB)
			found = &d
		default:
			others++
		}
	}
	if found == nil {
		return nil, nil
	}
	if la.n == lb.n {
		found.More = others
	}
	if la.n == lb.n && la.sum == lb.sum && la.mix == lb.mix && others > 0 {
		found.Kind, found.Text, found.Hint, found.More = Order, "the same lines in another order", sortedHint, others
	}
	return []Difference{*found}, nil
}

// line tells how line n differs; there is none where the text has ended.
func (w *work) line(n int, x, y []byte, hasX, hasY bool) Difference {
	d := Difference{Where: fmt.Sprintf("line %d", n), Kind: Text, Text: "another line"}
	a, b := strings.TrimSuffix(string(x), "\n"), strings.TrimSuffix(string(y), "\n")
	switch {
	case !hasX:
		d.Text, d.Second = "the first ends before it", clip(b)
	case !hasY:
		d.Text, d.First = "the second ends before it", clip(a)
	case a == b:
		d.Text, d.First, d.Second = "the end of the line", fmt.Sprintf("%q", x[len(a):]), fmt.Sprintf("%q", y[len(b):])
	default:
		d.First, d.Second = around(a, b)
		d.Hint = w.hint(a, b)
		if sameWords(a, b) {
			d.Kind, d.Text = Order, "the same words in another order"
			d.Hint = "a set or table that is kept in no order: sort what is written"
		}
	}
	return d
}

// sameWords tells whether two lines have the same words, two at least.
func sameWords(a, b string) bool {
	split := func(s string) []string {
		words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t,;[](){}'\"", r) })
		slices.Sort(words)
		return words
	}
	x, y := split(a), split(b)
	return len(x) > 1 && slices.Equal(x, y)
}

// around are two long lines cut to where they differ.
func around(a, b string) (string, string) {
	if len(a) <= maxShown && len(b) <= maxShown {
		return clip(a), clip(b)
	}
	from, _, _ := span(a, b)
	if from = max(0, from-maxShown/3); from == 0 {
		return clip(a), clip(b)
	}
	return "…" + clip(a[from:]), "…" + clip(b[from:])
}

// span is where two strings differ: from the first byte to the last, in each.
func span(a, b string) (from, toA, toB int) {
	n := min(len(a), len(b))
	for from < n && a[from] == b[from] {
		from++
	}
	toA, toB = len(a), len(b)
	for toA > from && toB > from && a[toA-1] == b[toB-1] {
		toA--
		toB--
	}
	return from, toA, toB
}
