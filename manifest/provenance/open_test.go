package provenance

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzOpen: what is read as an envelope is written as one with the same content, and
// read again as itself.
func FuzzOpen(f *testing.F) {
	s, err := New(build(f))
	if err != nil {
		f.Fatal(err)
	}
	payload, err := s.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range [][]byte{payload, {}, []byte("{}")} {
		e := Seal(p)
		e.Add("key", []byte("signature"))
		text, err := e.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte(":"), []byte(" : ")))
		f.Add(append(text, text...))
		f.Add([]byte(strings.Replace(string(text), `"sig"`, `"SIG"`, 1)))
	}
	f.Add([]byte(`{"payloadType":"` + PayloadType + `","payload":"e30=","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, payload, err := Open("fuzz", data)
		if err != nil {
			return
		}
		one, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, same, err := Open("fuzz", one)
		if err != nil || !bytes.Equal(payload, same) || len(again.Signatures) != len(e.Signatures) {
			t.Fatalf("%v: got %q, want %q\n%s", err, same, payload, one)
		}
		if two, err := again.Marshal(); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%v: got\n%s\nwant\n%s", err, two, one)
		}
		if !bytes.Contains(PAE(e.PayloadType, payload), payload) {
			t.Fatal("what is signed does not hold the payload")
		}
	})
}

// TestOpenRefuses: an envelope has what the format names, once, and nothing else.
func TestOpenRefuses(t *testing.T) {
	const good = `{"payloadType":"` + PayloadType + `","payload":"e30=","signatures":[{"keyid":"k","sig":"cw=="}]}`
	if _, payload, err := Open("x", []byte(good)); err != nil || string(payload) != "{}" {
		t.Fatalf("got %q, %v", payload, err)
	}
	for name, text := range map[string]string{
		"nothing":           "",
		"a list":            "[" + good + "]",
		"two":               good + good,
		"another key":       strings.Replace(good, "{", `{"x":1,`, 1),
		"another type":      strings.Replace(good, "in-toto", "out-toto", 1),
		"no type":           strings.Replace(good, `"payloadType":"`+PayloadType+`",`, "", 1),
		"no signature":      strings.Replace(good, `{"keyid":"k","sig":"cw=="}`, "", 1),
		"many signatures":   strings.Replace(good, `{"keyid":"k","sig":"cw=="}`, strings.TrimSuffix(strings.Repeat(`{"keyid":"k","sig":"cw=="},`, maxEnvelopeSignatures+1), ","), 1),
		"no base64":         strings.Replace(good, "e30=", "e30*", 1),
		"trailing bits":     strings.Replace(good, "e30=", "e31=", 1),
		"no padding":        strings.Replace(good, "e30=", "e30", 1),
		"the type again":    strings.Replace(good, `"payload"`, `"payloadtype":"x","payload"`, 1),
		"cut":               good[:len(good)-1],
		"a number as a key": strings.Replace(good, `"k"`, "1", 1),
	} {
		if e, _, err := Open("x", []byte(text)); err == nil {
			t.Errorf("%s: got %+v", name, e)
		}
	}
	if _, _, err := Open("x", make([]byte, 2*maxStatement+1)); err == nil {
		t.Error("an envelope without end was read")
	}
}
