package manifest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// schemas reads docs/*.schema.json, by file name.
func schemas(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, name := range []string{"lock", "descriptor", "result", "bundle", "needs"} {
		name += ".schema.json"
		data, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var s map[string]any
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s["$id"] != name || s["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: got $id %v, $schema %v", name, s["$id"], s["$schema"])
		}
		all[name] = s
	}
	return all
}

// schemaWalk judges values and types by the keywords that our schemas use; any
// other keyword is an error.
type schemaWalk struct {
	all map[string]map[string]any
	bad []string
}

func (w *schemaWalk) add(path, format string, args ...any) {
	w.bad = append(w.bad, path+": "+fmt.Sprintf(format, args...))
}

// resolve follows $ref; file is where the schema stands.
func (w *schemaWalk) resolve(file string, s map[string]any) (string, map[string]any) {
	ref, ok := s["$ref"].(string)
	if !ok {
		return file, s
	}
	name, pointer, _ := strings.Cut(ref, "#")
	if name != "" {
		file = name
	}
	var cur any = w.all[file]
	for _, key := range strings.Split(pointer, "/") {
		if m, ok := cur.(map[string]any); ok && key != "" {
			cur = m[key]
		}
	}
	m, ok := cur.(map[string]any)
	if !ok {
		w.add(file, "%s points nowhere", ref)
		return file, map[string]any{}
	}
	return w.resolve(file, m)
}

func (w *schemaWalk) value(path, file string, s map[string]any, v any) {
	file, s = w.resolve(file, s)
	for key, arg := range s {
		switch key {
		case "$schema", "$id", "$defs", "title", "description", "properties", "items":
		case "type":
			if got := jsonType(v); got != arg {
				w.add(path, "got %s, want %v", got, arg)
			}
		case "const":
			if v != arg {
				w.add(path, "got %v, want %v", v, arg)
			}
		case "enum":
			if !slices.Contains(arg.([]any), v) {
				w.add(path, "got %v, want one of %v", v, arg)
			}
		case "pattern":
			if x, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(x) {
				w.add(path, "got %q, want %v", x, arg)
			}
		case "minimum":
			if x, ok := v.(float64); ok && x < arg.(float64) {
				w.add(path, "got %v, want %v or more", x, arg)
			}
		case "maximum":
			if x, ok := v.(float64); ok && x > arg.(float64) {
				w.add(path, "got %v, want %v or less", x, arg)
			}
		case "minItems":
			if x, ok := v.([]any); ok && float64(len(x)) < arg.(float64) {
				w.add(path, "got %d items, want %v or more", len(x), arg)
			}
		case "maxItems":
			if x, ok := v.([]any); ok && float64(len(x)) > arg.(float64) {
				w.add(path, "got %d items, want %v or fewer", len(x), arg)
			}
		case "required":
			for _, k := range arg.([]any) {
				if x, ok := v.(map[string]any); ok && x[k.(string)] == nil {
					w.add(path, "%s is missing", k)
				}
			}
		case "additionalProperties":
			if arg != false {
				w.add(path, "additionalProperties is not false")
			}
		default:
			w.add(path, "nobody checks the keyword %s", key)
		}
	}
	if x, ok := v.([]any); ok {
		items, _ := s["items"].(map[string]any)
		for i, e := range x {
			w.value(fmt.Sprintf("%s[%d]", path, i), file, items, e)
		}
	}
	if x, ok := v.(map[string]any); ok {
		props, _ := s["properties"].(map[string]any)
		for k, e := range x {
			if p, ok := props[k].(map[string]any); ok {
				w.value(path+"."+k, file, p, e)
			} else {
				w.add(path, "unknown key %s", k)
			}
		}
	}
}

func jsonType(v any) string {
	switch x := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if x == float64(int64(x)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// goType compares a Go type with a schema.
func (w *schemaWalk) goType(path, file string, s map[string]any, t reflect.Type) {
	file, s = w.resolve(file, s)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := ""
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), t.Kind() == reflect.String:
		want = "string"
	case t.Kind() == reflect.Bool:
		want = "boolean"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		want = "integer"
	case t.Kind() == reflect.Slice:
		want = "array"
		items, _ := s["items"].(map[string]any)
		w.goType(path+"[]", file, items, t.Elem())
	case t.Kind() == reflect.Struct:
		want = "object"
		w.goStruct(path, file, s, t)
	}
	if s["type"] != want && s["const"] == nil {
		w.add(path, "%s is %v in the schema, want %s", t, s["type"], want)
	}
}

func (w *schemaWalk) goStruct(path, file string, s map[string]any, t reflect.Type) {
	props, _ := s["properties"].(map[string]any)
	required := map[string]bool{}
	list, _ := s["required"].([]any)
	for _, k := range list {
		required[k.(string)] = true
	}
	left := maps.Clone(props)
	for _, f := range jsonFields(t) {
		p, ok := props[f.name].(map[string]any)
		if !ok {
			w.add(path, "the schema lacks %s", f.name)
			continue
		}
		if required[f.name] == f.optional {
			w.add(path+"."+f.name, "required is %v, omitempty is %v", required[f.name], f.optional)
		}
		delete(left, f.name)
		w.goType(path+"."+f.name, file, p, f.typ)
	}
	for k := range left {
		w.add(path, "%s has no %s", t, k)
	}
	if s["additionalProperties"] != false {
		w.add(path, "other keys are allowed")
	}
}

type jsonField struct {
	name     string
	optional bool
	typ      reflect.Type
}

func jsonFields(t reflect.Type) []jsonField {
	var all []jsonField
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			all = append(all, jsonFields(f.Type)...)
		case name == "":
			all = append(all, jsonField{name: "(no tag) " + f.Name, typ: f.Type})
		default:
			all = append(all, jsonField{name, opts == "omitempty", f.Type})
		}
	}
	return all
}

func TestSchemasAndStructs(t *testing.T) {
	w := &schemaWalk{all: schemas(t)}
	for name, v := range map[string]any{"lock": Lock{}, "descriptor": Descriptor{}, "result": Result{}, "bundle": BundleView{}, "needs": Needs{}} {
		file := name + ".schema.json"
		w.goType(name, file, w.all[file], reflect.TypeOf(v))
	}
	for _, b := range w.bad {
		t.Error(b)
	}
	type other struct {
		Suite int    `json:"suite"`
		More  string `json:"more"`
	}
	w.bad = nil
	w.goType("x", "lock.schema.json", map[string]any{"$ref": "#/$defs/target"}, reflect.TypeFor[other]())
	if len(w.bad) < 4 {
		t.Errorf("another struct: got only %q", w.bad)
	}
}

// conform checks what v looks like in JSON.
func conform(t *testing.T, w *schemaWalk, name string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var x any
	if err := json.Unmarshal(data, &x); err != nil {
		t.Fatal(err)
	}
	w.bad = nil
	w.value(name, name+".schema.json", w.all[name+".schema.json"], x)
	for _, b := range w.bad {
		t.Error(b)
	}
}

func TestSchemasAndValues(t *testing.T) {
	w := &schemaWalk{all: schemas(t)}
	data, err := os.ReadFile("testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLock("x", data)
	if err != nil {
		t.Fatal(err)
	}
	l.Archives[0].Snapshot, l.Archives[0].Waived = "2024-01-02T00:00:00Z", waivers()
	conform(t, w, "lock", l)
	conform(t, w, "bundle", BundleView{Identity: l.Descriptors[0].SHA256.String(), Size: 1, Lock: l, Targets: l.Targets, Blobs: l.Blobs(),
		Signatures: []SignatureView{{Kind: "ssh", KeyFingerprint: "SHA256:x"}}})
	conform(t, w, "needs", sampleNeeds())
	for name, data := range corpus(t, "descriptors", "*.yml") {
		if d, err := ParseDescriptor(name, data); err == nil {
			conform(t, w, "descriptor", d)
		}
	}
	for name, data := range corpus(t, "asserts", "*/*/*.assert") {
		r, err := ParseResult(name, data)
		if err != nil {
			t.Fatal(err)
		}
		conform(t, w, "result", r)
	}
	w.bad = nil
	w.value("x", "bundle.schema.json", w.all["bundle.schema.json"], map[string]any{"identity": "x", "lock": []any{}, "blobs": []any{map[string]any{"sha256": 1.0}}})
	if len(w.bad) < 6 {
		t.Errorf("a wrong bundle: got only %q", w.bad)
	}
}
