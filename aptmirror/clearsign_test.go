package aptmirror

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestSplitClearsigned(t *testing.T) {
	sig := armored(beginSignature, endSignature, []byte("\xc2\x01x"))
	for _, c := range []struct{ name, body, want string }{
		{"plain", "a\nb\n", "a\nb"},
		{"escapes", "- -a\n- - b\n- c\n- \n- From d\n", "-a\n- b\nc\n\nFrom d"},
		{"trailing space", "a \t\n\t \nb\n", "a\n\nb"},
		{"empty lines", "\n\na\n\n", "\n\na\n"},
		{"one empty line", "\n", ""},
		{"an inner message, escaped", "- " + beginSigned + "\n- " + beginSignature + "\n", beginSigned + "\n" + beginSignature},
	} {
		got, err := splitClearsigned([]byte(beginSigned + "\nHash: SHA256\n\n" + c.body + sig))
		if err != nil || string(got.text) != c.want || string(got.signatures) != "\xc2\x01x" || !got.hashes["SHA256"] {
			t.Errorf("%s: got %+v, %v, want %q", c.name, got, err, c.want)
		}
		if err == nil && string(got.canonical()) != strings.ReplaceAll(c.want, "\n", "\r\n") {
			t.Errorf("%s: canonical: got %q", c.name, got.canonical())
		}
	}
}

// TestLongLine: gpgv cuts lines of 20,000 bytes, so none may come near, however
// well it is signed.
func TestLongLine(t *testing.T) {
	key := newKey(t, "key", born, 0, packet.PubKeyAlgoEdDSA)
	k := keyringOf(t, key)
	for n, ok := range map[int]bool{maxLine: true, maxLine + 1: false} {
		text := releaseText + "X: " + strings.Repeat("x", n-3) + "\n"
		_, _, err := k.VerifyInRelease(inRelease(t, text, signature{key: key.PrivateKey, at: born.AddDate(0, 0, 1)}), time.Now())
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrTooBig) {
			t.Errorf("a line of %d bytes: got %v", n, err)
		}
	}
}

// TestTricksOnOurOwn: every trick but the harmless ones is refused by the
// splitter itself, whatever the signature says.
func TestTricksOnOurOwn(t *testing.T) {
	good := fixture(t, "InRelease")
	good = bytes.Replace(good, []byte("Origin: Test\n"), []byte("Origin: Debian\n"), 1) // what tricks looks for
	harmless := map[string]bool{
		"as it is": true, "trailing space": true, "trailing tab": true, "line of spaces": true, "escaped dash": true,
		"escaped empty line": true, "inner escaped begin": true, "armour header": true, "text cut": true, "text empty": true,
		"two empty lines": true, "last empty line": true, "From": true, "Hash: SHA1": true, "Hash twice": true,
		"evil between text and signature": true, "end without line end": true,
		"escaped everywhere": true,
	}
	for name, data := range tricks(good) {
		_, err := splitClearsigned(data)
		if (err == nil) != harmless[name] {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && !errors.Is(err, ErrClearsign) {
			t.Errorf("%s: the error is no ErrClearsign: %v", name, err)
		}
	}
}
