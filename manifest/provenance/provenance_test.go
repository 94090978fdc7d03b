package provenance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
)

// build is a build of the sample lock's first descriptor.
func build(t testing.TB) Build {
	t.Helper()
	data, err := os.ReadFile("../testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := manifest.ParseLock("sample.lock", data)
	if err != nil {
		t.Fatal(err)
	}
	b := Build{Lock: lock, Bundle: manifest.Sum([]byte("bundle")), Descriptor: lock.Descriptors[0], ResultText: []byte("result"), Satchel: "v1",
		Result:       &manifest.Result{Out: []manifest.FileSum{{SHA256: manifest.Sum([]byte("a")), Path: "a.tar"}, {SHA256: manifest.Sum([]byte("b")), Path: "b.tar"}}},
		Environments: map[string]manifest.Digest{}, Internal: Internal{Engine: "sandbox", Jobs: 2, Memory: 2000},
		Started: time.Date(2024, 5, 6, 9, 8, 9, 10, time.FixedZone("x", 3600)), Finished: time.Date(2024, 5, 6, 8, 9, 9, 0, time.UTC)}
	for _, target := range lock.Targets {
		if target.Descriptor == b.Descriptor.Name {
			b.Environments[target.Suite+"-"+target.Architecture] = manifest.Sum([]byte(target.Suite))
		}
	}
	return b
}

// TestNew: every input of the lock is there with its hash, and nothing else.
func TestNew(t *testing.T) {
	b := build(t)
	s, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, d := range s.Predicate.BuildDefinition.ResolvedDependencies {
		for algorithm, hex := range d.Digest {
			key := algorithm + ":" + hex
			if have[key+d.Name] {
				t.Errorf("%s is listed twice", d.Name)
			}
			have[key+d.Name], have[key] = true, true
		}
	}
	lock, err := b.Lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"sha256:" + manifest.Sum(lock).Hex(), "sha256:" + b.Bundle.Hex(), "sha256:" + b.Descriptor.SHA256.Hex()}
	for _, f := range b.Descriptor.Files {
		want = append(want, "sha256:"+f.SHA256.Hex())
	}
	for _, src := range b.Descriptor.Sources {
		want = append(want, "gitCommit:"+src.Commit)
		for _, m := range src.Submodules {
			want = append(want, "gitCommit:"+m.Commit)
		}
	}
	packages := 0
	for _, target := range b.Lock.Targets {
		if target.Descriptor != b.Descriptor.Name {
			continue
		}
		for _, p := range target.Packages {
			want = append(want, "sha256:"+p.SHA256.Hex())
			packages++
		}
	}
	if packages == 0 || len(b.Descriptor.Sources) == 0 {
		t.Fatal("the sample lock is not what this test needs")
	}
	for _, w := range want {
		if !have[w] {
			t.Errorf("%s is missing", w)
		}
	}
	if !reflect.DeepEqual(s.Environments(), b.Environments) || len(b.Environments) == 0 {
		t.Errorf("got environments %v, want %v", s.Environments(), b.Environments)
	}
	if err := s.Of(b.Result); err != nil {
		t.Error(err)
	}
	if got := s.Predicate.RunDetails.Metadata; got.Started.Format(time.RFC3339Nano) != "2024-05-06T08:08:09Z" || got.Finished == nil {
		t.Errorf("got %v", got)
	}
	one, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("x", one)
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("it reads as something else: %v", err)
	}
	if s2, _ := New(build(t)); !reflect.DeepEqual(s, s2) {
		t.Error("the same build has another statement")
	}
}

// TestShape: what in-toto and SLSA demand of the JSON.
func TestShape(t *testing.T) {
	s, err := New(build(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Type    string `json:"_type"`
		Subject []struct {
			Name   string
			Digest map[string]string
		}
		PredicateType string
		Predicate     struct {
			BuildDefinition map[string]json.RawMessage
			RunDetails      struct {
				Builder struct{ ID string }
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Type != "https://in-toto.io/Statement/v1" || doc.PredicateType != "https://slsa.dev/provenance/v1" || len(doc.Subject) != 2 || len(doc.Subject[0].Digest["sha256"]) != 64 ||
		doc.Predicate.RunDetails.Builder.ID == "" || doc.Predicate.BuildDefinition["externalParameters"] == nil || doc.Predicate.BuildDefinition["buildType"] == nil {
		t.Errorf("got %s", text)
	}
}

func TestParseRefuses(t *testing.T) {
	s, err := New(build(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new string }{{StatementType, "https://in-toto.io/Statement/v0.1"}, {PredicateType, "https://slsa.dev/provenance/v0.2"}, {BuildType, "urn:other"}, {"{", ""}, {string(text), ""}} {
		if s, err := Parse("x", []byte(strings.Replace(string(text), tt.old, tt.new, 1))); err == nil {
			t.Errorf("with %q: got %v", tt.new, s)
		}
	}
	if _, err := Parse("x", make([]byte, maxStatement+1)); err == nil {
		t.Error("a statement without end was read")
	}
	for name, spoil := range map[string]func(*manifest.Result){
		"another hash": func(r *manifest.Result) { r.Out[0].SHA256 = manifest.Sum([]byte("x")) },
		"one more": func(r *manifest.Result) {
			r.Out = append(r.Out, manifest.FileSum{SHA256: manifest.Sum([]byte("x")), Path: "x"})
		},
		"one less":     func(r *manifest.Result) { r.Out = r.Out[1:] },
		"another name": func(r *manifest.Result) { r.Out[0].Path = "x" },
	} {
		r := build(t).Result
		spoil(r)
		if err := s.Of(r); !errors.Is(err, ErrOther) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPAE is the example of DSSE's protocol.md.
func TestPAE(t *testing.T) {
	if got := string(PAE("http://example.com/HelloWorld", []byte("hello world"))); got != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Errorf("got %q", got)
	}
	e := Seal([]byte("payload"))
	if _, err := e.Marshal(); err == nil {
		t.Error("an envelope that nobody signed was written")
	}
	e.Add("key", []byte("sig"))
	text, err := e.Marshal()
	if err != nil || bytes.Count(text, []byte("\n")) != 1 {
		t.Fatalf("got %q, %v", text, err)
	}
	var back Envelope
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(back.Payload)
	if err != nil || string(payload) != "payload" || back.PayloadType != PayloadType || back.Signatures[0].KeyID != "key" {
		t.Errorf("got %+v, %v", back, err)
	}
}

func FuzzParse(f *testing.F) {
	s, err := New(build(f))
	if err != nil {
		f.Fatal(err)
	}
	text, err := s.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{"buildType":"urn:satchel:gitian-build:v1"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		for target, d := range s.Environments() {
			if manifest.CheckName(target) != nil || d.IsZero() {
				t.Fatalf("got %q %s", target, d)
			}
		}
		one, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("fuzz", one)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := again.Marshal(); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("got\n%s\nwant\n%s", two, one)
		}
	})
}
