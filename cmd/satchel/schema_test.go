package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"satchel/bundle"
	"satchel/bundle/why"
	"satchel/runner"
)

// schemaOf walks a Go type beside a schema and lists where they part: names,
// which of them may be missing, and kinds.
type schemaOf struct {
	defs map[string]any
	seen map[string]bool // of defs, which may hold themselves
	bad  []string
}

func (w *schemaOf) walk(path string, s map[string]any, t reflect.Type) {
	if ref, ok := s["$ref"].(string); ok {
		if w.seen[ref+t.String()] {
			return
		}
		w.seen[ref+t.String()] = true
		s = w.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	kinds := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Struct: "object"}
	want := kinds[t.Kind()]
	if n := t.String(); n == "time.Time" || n == "manifest.Digest" {
		want = "string"
	}
	if s["type"] != want {
		w.bad = append(w.bad, fmt.Sprintf("%s is %v in the schema, %s in Go", path, s["type"], want))
		return
	}
	if want == "array" {
		w.walk(path+"[]", s["items"].(map[string]any), t.Elem())
	}
	if want != "object" {
		return
	}
	properties, required := s["properties"].(map[string]any), s["required"].([]any)
	seen := 0
	for _, f := range reflect.VisibleFields(t) { // those of embedded structs, too
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		p, ok := properties[name].(map[string]any)
		if !ok {
			w.bad = append(w.bad, path+": the schema lacks "+name)
			continue
		}
		seen++
		if slices.Contains(required, any(name)) == (options != "") {
			w.bad = append(w.bad, path+"."+name+": required and omitempty agree")
		}
		w.walk(path+"."+name, p, f.Type)
	}
	if seen != len(properties) || s["additionalProperties"] != false {
		w.bad = append(w.bad, path+": the schema allows what Go does not write")
	}
}

// readSchema reads one of docs.
func readSchema(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemas: docs say what the verbs print with --json.
func TestSchemas(t *testing.T) {
	for name, printed := range map[string]reflect.Type{
		"compare": reflect.TypeFor[compared](), "doctor": reflect.TypeFor[checkup](), "clean": reflect.TypeFor[cleaned](),
		"twice": reflect.TypeFor[runner.Doubled](), "verify": reflect.TypeFor[bundle.Report](), "provenance": reflect.TypeFor[verifiedProvenance](),
		"attest": reflect.TypeFor[[]attested](), "check": reflect.TypeFor[checked](), "run": reflect.TypeFor[[]runner.Built](), "why": reflect.TypeFor[[]why.Answer](),
	} {
		s := readSchema(t, name)
		defs, _ := s["$defs"].(map[string]any)
		w := &schemaOf{defs: defs, seen: map[string]bool{}}
		w.walk(name, s, printed)
		for _, b := range w.bad {
			t.Error(b)
		}
		w.bad = nil
		type odd struct {
			Answer int `json:"answer"`
			Other  int `json:"other"`
		}
		another := reflect.TypeFor[odd]()
		if s["type"] == "array" {
			another = reflect.TypeFor[[]odd]()
		}
		if w.walk("x", s, another); len(w.bad) < 3 {
			t.Errorf("%s against another struct: got only %q", name, w.bad)
		}
	}
}
