package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// contentRange reads "bytes 5-9/10", "bytes 5-9/*" and "bytes */10"; what is
// not said is -1.
func contentRange(s string) (from, of int64, err error) {
	bad := fmt.Errorf("reading Content-Range %.80q", s)
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, total, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return -1, -1, bad
	}
	from, of = -1, -1
	if total != "*" {
		if of, err = number(total); err != nil {
			return -1, -1, bad
		}
	}
	if span == "*" {
		return from, of, nil
	}
	a, b, ok := strings.Cut(span, "-")
	from, err = number(a)
	to, err2 := number(b)
	if !ok || err != nil || err2 != nil || to < from || of >= 0 && to >= of {
		return -1, -1, bad
	}
	return from, of, nil
}

func number(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

// validator is what If-Range may be given: a strong entity tag, else the date.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}
