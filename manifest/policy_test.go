package manifest

import (
	"reflect"
	"strings"
	"testing"
)

const (
	aliceKey = "0123456789ABCDEF0123456789ABCDEF01234567"
	bobKey   = "SHA256:LTr4eQU6o5UbbSWCoKrsSpQjaToRnBeY/bIaTIZ3cgc"
)

const soundPolicy = `satchel-policy: 1
minimum: 3
keyring: builder-keys
signers:
  - name: alice
    weight: 2
    keys: [0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567]
  - name: bob
    weight: 1
    keys:
      - ` + bobKey + `
`

func TestParsePolicy(t *testing.T) {
	p, err := ParsePolicy("p", []byte(soundPolicy))
	if err != nil {
		t.Fatal(err)
	}
	want := &Policy{Version: 1, Minimum: 3, Keyring: "builder-keys", Signers: []PolicySigner{{"alice", 2, []string{aliceKey}}, {"bob", 1, []string{bobKey}}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if s := p.Signer(aliceKey); s == nil || s.Name != "alice" || p.Signer("") != nil || p.Signer(strings.Repeat("A", 40)) != nil {
		t.Errorf("got %+v", s)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"satchel-policy: 1", "satchel-policy: 2", "p:1: satchel-policy: version 2"},
		{"satchel-policy: 1\n", "", "satchel-policy is missing"},
		{"minimum: 3", "minimum: 0", "p:2: minimum: 0 would trust what nobody signed"},
		{"minimum: 3", "minimum: -1", "p:2: minimum: -1"},
		{"minimum: 3", "minimum: 4", "p:2: minimum: all signers together weigh 3"},
		{"minimum: 3", "minimum: 3\nmaximum: 3", `unknown key "maximum"`},
		{"weight: 2", "weight: 0", "p:6: signers[0].weight: 0 is not between"},
		{"weight: 2", "weight: 9999999999", "weight: 9999999999 is not between"},
		{"weight: 2", "weight: two", "whole number"},
		{"name: bob", "name: ALICE", `p:8: signers[1].name: "ALICE" is there already, in line 5`},
		{"name: bob", `name: "\e[2J"`, "no readable text"},
		{bobKey, "0123456789abcdef0123456789abcdef01234567", `the key is also that of "alice"`},
		{bobKey, "89abcdef01234567", `is no fingerprint`},
		{bobKey, "SHA256:short", `is no fingerprint`},
		{"\n      - " + bobKey, " []", "signers[1].keys: there is none"},
	} {
		p, err := ParsePolicy("p", []byte(strings.Replace(soundPolicy, tt.old, tt.new, 1)))
		if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.new, err, tt.want)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(soundPolicy))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePolicy("fuzz", data)
		if err != nil {
			soundError(t, data, err)
			return
		}
		sum := 0
		for _, s := range p.Signers {
			sum += s.Weight
			if s.Weight < 1 || len(s.Keys) == 0 || p.Signer(s.Keys[0]).Name != s.Name {
				t.Fatalf("got %+v", s)
			}
		}
		if p.Minimum < 1 || p.Minimum > sum {
			t.Fatalf("got %d of %d", p.Minimum, sum)
		}
	})
}

func TestParseSums(t *testing.T) {
	text := "# comment\n" + hexSum + "  b.tar\n\n" + hexSum + " *sub/a b.tar\r\n"
	r, err := ParseSums("s", []byte(text))
	if err != nil || !reflect.DeepEqual(r.Out, fileSums("b.tar", "sub/a b.tar")) || !r.In.Descriptor.SHA256.IsZero() {
		t.Fatalf("got %+v, %v", r, err)
	}
	again, err := FormatSums(r.Out)
	if err != nil || string(again) != hexSum+"  b.tar\n"+hexSum+"  sub/a b.tar\n" {
		t.Errorf("got %s, %v", again, err)
	}
	for text, want := range map[string]string{
		"":                                "it lists nothing",
		"# only\n":                        "it lists nothing",
		hexSum + "  a\nrubbish\n":         `s:2: "rubbish" is no line of sha256sum`,
		hexSum + "  a\n" + hexSum + "  a": `s:2: "a" is listed here and in line 1`,
		strings.ToUpper(hexSum) + "  a\n": "is no line of sha256sum",
		hexSum + " a\n":                   "is no line of sha256sum",
		hexSum[1:] + "  a\n":              "is no line of sha256sum",
		strings.Repeat("0", 64) + "  a\n": "is no line of sha256sum",
		hexSum + "  a\x00b\n":             "is no line of sha256sum",
		"<!DOCTYPE html>":                 "is no line of sha256sum",
		strings.Repeat("x", maxResult+1):  "more than",
		strings.Repeat("x\n", 1000):       "more problems",
	} {
		if r, err := ParseSums("s", []byte(text)); r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
	if _, err := FormatSums([]FileSum{{Path: "a"}}); err == nil {
		t.Error("a sum of nothing was written")
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(hexSum + "  a\n" + hexSum + " *b c\r\n# x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseSums("fuzz", data)
		if err != nil {
			return
		}
		text, err := FormatSums(r.Out)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseSums("fuzz", text); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("got %+v, %v, want %+v", again, err, r)
		}
	})
}
