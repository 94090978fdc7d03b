package runner

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"satchel/manifest"
)

// The copy is the original whatever its length and however it comes, and the
// sum is its own.
func TestCopyHashed(t *testing.T) {
	for _, size := range []int{0, 1, hashedBuffer - 1, hashedBuffer, hashedBuffer + 1, 5*hashedBuffer + 7} {
		want := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(size)}).Read(want)
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "with its end": iotest.DataErrReader(bytes.NewReader(want)),
		} {
			var got bytes.Buffer
			sum, err := copyHashed(&got, r)
			if err != nil || sum != manifest.Sum(want) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes, %s: %d bytes with sum %v, %v", size, name, got.Len(), sum, err)
			}
		}
	}
}

// A stream that breaks off is no shorter file, and a full disk no copy.
func TestCopyHashedFails(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("broken")} {
		for _, size := range []int{0, 5, hashedBuffer, 2*hashedBuffer + 5} {
			r := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(broken))
			if _, err := copyHashed(io.Discard, r); !errors.Is(err, broken) {
				t.Errorf("after %d bytes: %v, want %v", size, err, broken)
			}
		}
	}
	full := errors.New("full")
	for at := range 4 {
		if _, err := copyHashed(&failing{after: at, err: full}, bytes.NewReader(make([]byte, 5*hashedBuffer))); !errors.Is(err, full) {
			t.Errorf("write %d fails: %v", at, err)
		}
	}
}

// failing is a writer whose write number after fails.
type failing struct {
	after int
	err   error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, f.err
	}
	return len(b), nil
}
