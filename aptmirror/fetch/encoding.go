package fetch

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// encoding names the compression that a server put on a file of its own accord,
// "" if there is none. Servers give that name to files that are compressed
// themselves, too (a Packages.gz is often sent as x-gzip); those are not meant.
func encoding(resp *http.Response) string {
	name := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))
	known := []string{"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"}
	if !slices.Contains(known, name) {
		return ""
	}
	if resp.Request != nil {
		switch path.Ext(resp.Request.URL.Path) {
		case ".gz", ".tgz", ".Z", ".bz2", ".xz", ".lzma", ".br", ".zst":
			return ""
		}
	}
	return name
}

// An EncodingError is a file that the server compressed although it was asked
// not to, so that its bytes are not the file's.
type EncodingError struct{ Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("the server, or a proxy before it, compresses the file (Content-Encoding: %s) though it was asked not to", e.Encoding)
}
