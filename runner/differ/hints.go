package differ

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// shapes are what texts that differ from build to build look like, the surest first.
func shapes() []shape {
	var all []shape
	for _, s := range [][2]string{
		{"a UUID: made at random, or of the time", `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`},
		{"a date or a time of day", `\d{1,2}:\d{2}(:\d{2}|\b)|\b(19|20)\d{2}[-/.]\d{1,2}[-/.]\d{1,2}|\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? +\d{1,2}\b|\b(19|20)\d{2}(0[1-9]|1[0-2])[0-3]\d([ T_-]?[0-2]\d[0-5]\d([0-5]\d)?)?\b`},
		{"an address in memory", `\b0[xX][0-9a-fA-F]{6,16}\b|\b(0000)?[57][0-9a-f]{11}\b`},
		{"a hash: of something that differs, or random", `\b([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})\b`},
		{"the name of a temporary file", `/tmp/[^\s"':]+|\btmp[._-]?[A-Za-z0-9_]{6,}|/cc[A-Za-z0-9]{6}\.[a-z]+`},
	} {
		all = append(all, shape{s[0], regexp.MustCompile(s[1])})
	}
	return all
}

// maxHinted bounds how much of a text is looked at, in bytes.
const maxHinted = 4096

// hint says what two texts hold where they differ; "" if it is like nothing known.
func (w *work) hint(a, b string) string {
	from, toA, toB := span(a, b)
	if from == len(a) && from == len(b) {
		return ""
	}
	cut := max(0, from-window)
	a, b = a[cut:min(len(a), max(toA, from)+window)], b[cut:min(len(b), max(toB, from)+window)]
	if len(a) > maxHinted || len(b) > maxHinted {
		a, b = a[:min(len(a), maxHinted)], b[:min(len(b), maxHinted)]
	}
	from, toA, toB = from-cut, min(toA-cut, len(a)), min(toB-cut, len(b))
	for _, k := range w.Known {
		if holds(a, k.First, from, toA) && holds(b, k.Second, from, toB) {
			return fmt.Sprintf("the %s of each build, %s and %s", k.What, clip(k.First), clip(k.Second))
		}
	}
	if h := w.momentHint(digitsAt(a, from), digitsAt(b, from)); h != "" {
		return h
	}
	if w.shapes == nil {
		w.shapes = shapes()
	}
	for _, s := range w.shapes {
		if overlaps(s.re, a, from, toA) && overlaps(s.re, b, from, toB) {
			return s.hint
		}
	}
	x, y := numberAt(a, from), numberAt(b, from)
	if w.SecondPids > 0 && x > 0 && x < w.SecondPids && y >= w.SecondPids && y < w.SecondPids+1<<22 {
		return "perhaps a process number: those of the second build were above " + strconv.Itoa(w.SecondPids)
	}
	if strings.LastIndexAny(a[:min(from+1, len(a))], "/") > strings.LastIndexAny(a[:min(from+1, len(a))], " \t\"'=") {
		return "part of a path"
	}
	return ""
}

// holds tells whether value stands where a text differs, from one place to another. A
// number must stand for itself.
func holds(s, value string, from, to int) bool {
	if value == "" {
		return false
	}
	_, err := strconv.Atoi(value)
	number := err == nil
	for at := 0; ; {
		i := strings.Index(s[at:], value)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(value)
		inside := start <= max(to, from) && end >= from && !(end == from && start < from && from < to)
		alone := !number || !(start > 0 && digit(s[start-1]) || end < len(s) && digit(s[end]))
		if inside && alone {
			return true
		}
		at = start + 1
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' || c == '.' }

// overlaps tells whether something of that shape stands where a text differs.
func overlaps(re *regexp.Regexp, s string, from, to int) bool {
	for _, m := range re.FindAllStringIndex(s, -1) {
		if m[0] <= to && m[1] >= from && (m[0] < to || m[1] > from) {
			return true
		}
	}
	return false
}

// numberAt is the decimal number that a place lies in, -1 if it lies in none.
func numberAt(s string, at int) int {
	n, err := strconv.Atoi(digitsAt(s, at))
	if err != nil {
		return -1
	}
	return n
}

// momentHint finds seconds (or smaller parts) since 1970 that lie in the two builds.
func (w *work) momentHint(x, y string) string {
	for _, unit := range []struct {
		digits int
		name   string
		per    float64
	}{{10, "seconds", 1}, {13, "milliseconds", 1e3}, {16, "microseconds", 1e6}, {19, "nanoseconds", 1e9}} {
		if len(x) != unit.digits || len(y) != unit.digits {
			continue
		}
		nx, _ := strconv.ParseFloat(x, 64)
		ny, _ := strconv.ParseFloat(y, 64)
		if w.during(nx/unit.per, ny/unit.per) {
			return "the time of each build, as " + unit.name + " since 1970"
		}
		if w.Times == (Times{}) && nx/unit.per > 9e8 && nx/unit.per < 4e9 && ny/unit.per < 4e9 {
			return "perhaps a time, as " + unit.name + " since 1970"
		}
	}
	return ""
}

// digitsAt are the digits around a place.
func digitsAt(s string, at int) string {
	from, to := min(at, len(s)), min(at, len(s))
	for from > 0 && s[from-1] >= '0' && s[from-1] <= '9' {
		from--
	}
	for to < len(s) && s[to] >= '0' && s[to] <= '9' {
		to++
	}
	return s[from:to]
}

// during tells whether two moments, in seconds, lie in the first and the second build.
func (w *work) during(x, y float64) bool {
	const slack = 3
	in := func(s float64, from, to time.Time) bool {
		return !from.IsZero() && s >= float64(from.Unix())-slack && s <= float64(to.Unix())+slack
	}
	return in(x, w.Times.FirstFrom, w.Times.FirstTo) && in(y, w.Times.SecondFrom, w.Times.SecondTo)
}

// numberHint looks for a time as a binary number that holds the place.
func (w *work) numberHint(a, b []byte, place int) string {
	for from := max(0, place-7); from <= place; from++ {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if from+4 <= min(len(a), len(b)) && from+4 > place &&
				w.during(float64(order.Uint32(a[from:])), float64(order.Uint32(b[from:]))) {
				return fmt.Sprintf("the time of each build, as a number of 4 bytes (%v)", order)
			}
			if from+8 <= min(len(a), len(b)) {
				x, y := order.Uint64(a[from:]), order.Uint64(b[from:])
				for _, per := range []float64{1e3, 1e6, 1e9} {
					if x < math.MaxInt64 && w.during(float64(x)/per, float64(y)/per) {
						return fmt.Sprintf("the time of each build, as a number of 8 bytes (%v)", order)
					}
				}
			}
		}
	}
	return ""
}

// fieldHint says what a field of a header looks like.
func (w *work) fieldHint(a, b field) string {
	if a.kind == Time {
		x, errX := time.Parse(time.RFC3339Nano, a.value)
		y, errY := time.Parse(time.RFC3339Nano, b.value)
		if errX == nil && errY == nil && w.during(float64(x.Unix()), float64(y.Unix())) {
			return "the time of each build: set it to SOURCE_DATE_EPOCH"
		}
		return "a date"
	}
	return w.hint(a.value, b.value)
}
