package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseDigest(t *testing.T) {
	for s, ok := range map[string]bool{
		hexSum: true, "sha256:" + hexSum: true,
		"": false, "sha256:": false, hexSum[1:]: false, hexSum + "0": false, strings.ToUpper(hexSum): false, "sha512:" + hexSum: false,
		"SHA256:" + hexSum: false, hexSum[1:] + "g": false, " " + hexSum[1:]: false, strings.Repeat("0", 64): false,
		"sha256:" + strings.Repeat("0", 64): false, hexSum[1:] + "\n": false,
	} {
		d, err := ParseDigest(s)
		if (err == nil) != ok {
			t.Errorf("ParseDigest(%q): got %v", s, err)
		}
		if ok && (d.Hex() != hexSum || d.String() != "sha256:"+hexSum) || !ok && !d.IsZero() {
			t.Errorf("ParseDigest(%q): got %v", s, d)
		}
	}
	if _, err := json.Marshal(Blob{}); err == nil {
		t.Error("an empty digest was written")
	}
	var b Blob
	if err := json.Unmarshal([]byte(`{"sha256":"","size":0}`), &b); err == nil {
		t.Error("an empty digest was read")
	}
}

func TestBlobVerify(t *testing.T) {
	const text = "the very bytes"
	good := Blob{Sum([]byte(text)), int64(len(text))}
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		blob Blob
		r    io.Reader
		want error // nil: it is read to the end
	}{
		"good":            {good, strings.NewReader(text), nil},
		"byte by byte":    {good, iotest.OneByteReader(strings.NewReader(text)), nil},
		"data and EOF":    {good, iotest.DataErrReader(strings.NewReader(text)), nil},
		"empty":           {Blob{Sum(nil), 0}, strings.NewReader(""), nil},
		"short":           {good, strings.NewReader(text[1:]), ErrDigest},
		"short, with EOF": {good, iotest.DataErrReader(strings.NewReader(text[1:])), ErrDigest},
		"nothing":         {good, strings.NewReader(""), ErrDigest},
		"long":            {good, strings.NewReader(text + "!"), ErrDigest},
		"long, with EOF":  {good, iotest.DataErrReader(strings.NewReader(text + "!")), ErrDigest},
		"other":           {good, strings.NewReader(strings.ToUpper(text)), ErrDigest},
		"no hash":         {Blob{Size: good.Size}, strings.NewReader(text), ErrDigest},
		"no hash, empty":  {Blob{}, strings.NewReader(""), ErrDigest},
		"negative":        {Blob{good.SHA256, -1}, strings.NewReader(text), ErrDigest},
		"negative, empty": {Blob{good.SHA256, -1}, strings.NewReader(""), ErrDigest},
		"broken":          {good, io.MultiReader(strings.NewReader(text[:5]), iotest.ErrReader(broken)), broken},
		"broken at end":   {good, io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), broken},
		"endless":         {good, endless{}, ErrDigest},
	} {
		r := tt.blob.Verify(tt.r)
		got, err := io.ReadAll(r)
		if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || !bytes.Equal(got, []byte(text)) && tt.blob.Size > 0) {
			t.Errorf("%s: got %q, %v, want %v", name, got, err, tt.want)
		}
		if int64(len(got)) > max(tt.blob.Size, 0) {
			t.Errorf("%s: got %d bytes, want no more than %d", name, len(got), tt.blob.Size)
		}
		again, err2 := r.Read(make([]byte, 1))
		if again != 0 || tt.want != nil && !errors.Is(err2, tt.want) || tt.want == nil && err2 != io.EOF {
			t.Errorf("%s: then got %d, %v", name, again, err2)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
