package manifest

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// strictReader fills structs from nodes and allows nothing that they do not
// name: no unknown or missing key, no null, no alias, no tag, no other type.
type strictReader struct {
	walker
	lines map[string]int // line of each value, by its path: "targets[0].packages[2].size"
}

// field is one key of a struct.
type field struct {
	key      string
	index    []int
	optional bool // omitempty
}

// fields lists the keys of a struct in their order, inlined structs opened.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if opts == "inline" {
			for _, in := range fields(f.Type) {
				in.index = append([]int{i}, in.index...)
				all = append(all, in)
			}
			continue
		}
		all = append(all, field{key: key, index: []int{i}, optional: opts == "omitempty"})
	}
	return all
}

func (r *strictReader) value(n *yaml.Node, path string, v reflect.Value) {
	r.lines[path] = n.Line
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		r.add(n.Line, "%s: anchors and aliases are not allowed; write the value out", path)
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.add(n.Line, "%s: tags are not allowed; remove %q", path, shorten(n.Tag))
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, path, v.Elem())
	case v.Kind() == reflect.Slice:
		r.list(n, path, v)
	case v.Kind() == reflect.Map:
		r.dictionary(n, path, v)
	case v.Kind() == reflect.Struct:
		r.structure(n, path, v)
	default:
		r.scalar(n, path, v)
	}
}

func (r *strictReader) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		r.add(n.Line, "%s must be a list, not %s", path, kindName(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		r.value(c, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

// plainMapping is mapping for keys that are nothing but words.
func (r *strictReader) plainMapping(n *yaml.Node, path string) (*mapNode, bool) {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Anchor != "" || k.Kind == yaml.AliasNode || k.Style&yaml.TaggedStyle != 0 {
			r.add(k.Line, "%s: a key must be a word, without anchor, alias or tag", pathName(path))
			return nil, false
		}
	}
	return r.mapping(n, pathName(path))
}

func (r *strictReader) dictionary(n *yaml.Node, path string, v reflect.Value) {
	m, ok := r.plainMapping(n, path)
	if !ok {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, k := range m.keys {
		e := reflect.New(v.Type().Elem()).Elem()
		at := path + "[" + display(k) + "]"
		r.value(m.vals[k], at, e)
		r.lines[at] = m.at[k]
		v.SetMapIndex(reflect.ValueOf(k), e)
	}
}

func (r *strictReader) structure(n *yaml.Node, path string, v reflect.Value) {
	m, ok := r.plainMapping(n, path)
	if !ok {
		return
	}
	for _, f := range fields(v.Type()) {
		m.seen[f.key] = true
		if c := m.vals[f.key]; c != nil {
			r.value(c, join(path, f.key), v.FieldByIndex(f.index))
			r.lines[join(path, f.key)] = m.at[f.key]
		}
	}
	for _, k := range m.keys {
		if !m.seen[k] {
			r.add(m.at[k], "%s: unknown key %q", pathName(path), shorten(k))
		}
	}
	for _, f := range fields(v.Type()) {
		if !f.optional && !m.has(f.key) {
			r.missing(m, join(path, f.key))
		}
	}
}

func (r *strictReader) scalar(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.add(n.Line, "%s must be a value, not %s", path, kindName(n))
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			r.add(n.Line, "%s: %v", path, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil || strconv.FormatInt(i, 10) != n.Value || n.Style != 0 {
			r.add(n.Line, "%s: %q is no whole number", path, shorten(n.Value))
			return
		}
		v.SetInt(i)
	case reflect.Bool:
		if n.Value != "true" && n.Value != "false" || n.Style != 0 {
			r.add(n.Line, "%s: write true or false, not %q", path, shorten(n.Value))
			return
		}
		v.SetBool(n.Value == "true")
	default:
		r.add(n.Line, "%s: a %s cannot be read", path, v.Type())
	}
}

// line returns the line of a path, or of what is around it.
func (r *strictReader) line(path string) int {
	for {
		if l, ok := r.lines[path]; ok || path == "" {
			return l
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func pathName(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}
