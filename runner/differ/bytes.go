package differ

import (
	"fmt"
	"strings"
)

// window is how far around a difference is looked, in bytes.
const window = 96

// bytes tells what is at the first byte that differs, at: the text around it where
// there is one, else the bytes. Where is left to the caller.
func (w *work) bytes(a, b part, at int64) Difference {
	d := Difference{Where: at0x(at), Kind: Bytes, Text: "bytes differ"}
	if a.size != b.size {
		d.Text = fmt.Sprintf("bytes differ, and there are %d and %d", a.size, b.size)
	}
	from := max(0, at-window)
	wa, wb := a.slice(from, 2*window).head(2*window), b.slice(from, 2*window).head(2*window)
	place := int(at - from)
	ta, oka := stringAround(wa, place)
	tb, okb := stringAround(wb, place)
	switch {
	case place >= len(wa):
		d.Text = fmt.Sprintf("the first ends here, after %d bytes; the second has %d", a.size, b.size)
		d.Second = hexOf(wb, place)
	case place >= len(wb):
		d.Text = fmt.Sprintf("the second ends here, after %d bytes; the first has %d", b.size, a.size)
		d.First = hexOf(wa, place)
	case oka && okb:
		d.First, d.Second = fmt.Sprintf("%q", clip(ta)), fmt.Sprintf("%q", clip(tb))
		d.Hint = w.hint(ta, tb)
	default:
		d.First, d.Second = hexOf(wa, place), hexOf(wb, place)
	}
	if d.Hint == "" {
		d.Hint = w.numberHint(wa, wb, place)
	}
	return d
}

// stringAround is the run of printable characters that holds a place, or ends there.
func stringAround(b []byte, place int) (string, bool) {
	if place > len(b) {
		return "", false
	}
	from, to := place, place
	for from > 0 && printable(b[from-1]) {
		from--
	}
	for to < len(b) && printable(b[to]) {
		to++
	}
	return string(b[from:to]), to-from >= 4
}

func printable(c byte) bool { return c >= ' ' && c < 0x7f || c >= 0x80 && c < 0xfe && c != 0xc0 }

// hexOf shows 16 bytes, four of them before the place, as hexadecimal and as text.
func hexOf(b []byte, place int) string {
	from := max(0, place-4)
	b = b[from:min(len(b), from+16)]
	var text strings.Builder
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			c = '.'
		}
		text.WriteByte(c)
	}
	return fmt.Sprintf("% x  %s", b, text.String())
}
