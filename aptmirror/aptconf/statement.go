package aptconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// statement does what the text that ends here says; end is what ended it.
func (r *reader) statement(end byte) error {
	text := r.text
	switch {
	case text == "" && end == '{':
		return errors.New("a block has no name")
	case text == "":
		if end == '}' {
			r.leave()
		}
		return nil
	}
	tag, rest, ok := quoteWord(text)
	if !ok {
		return fmt.Errorf("the name cannot be read: %q", text)
	}
	word, rest, hasWord := value(rest)
	if rest != "" {
		return fmt.Errorf("there is something after the value: %q", rest)
	}
	if !hasWord && end != '{' { // an item of a list
		word, tag, hasWord = tag, "", true
	}
	if end == '{' {
		r.enter(tag)
		tag = ""
	}
	name := tag
	switch {
	case r.scope != "" && (end != '{' || tag != ""):
		name = r.scope + "::" + tag
	case r.scope != "":
		name = r.scope
	}
	switch {
	case strings.HasPrefix(tag, "#"):
		if err := r.directive(tag, word); err != nil {
			return err
		}
	case tag == "" && hasWord && word == "#clear":
		return errors.New("#clear does not say what")
	case hasWord:
		r.c.set(name, word)
	}
	r.text = ""
	if end == '}' {
		r.leave()
	}
	return nil
}

func (r *reader) enter(tag string) {
	r.outer = append(r.outer, r.scope)
	if r.scope != "" {
		tag = r.scope + "::" + tag
	}
	r.scope = tag
}

// leave ends a block. One end too many is none of apt's concern.
func (r *reader) leave() {
	if len(r.outer) == 0 {
		r.scope = ""
		return
	}
	r.scope = r.outer[len(r.outer)-1]
	r.outer = r.outer[:len(r.outer)-1]
}

func (r *reader) directive(tag, word string) error {
	if r.scope != "" {
		return fmt.Errorf("%s stands within a block", tag)
	}
	switch tag {
	case "#clear":
		r.c.clear(word)
		return nil
	case "#x-apt-configure-index":
		return nil // a list of known names, for warnings
	case "#include":
	default:
		return fmt.Errorf("%s is not known", tag)
	}
	if r.c.files++; r.depth > maxDepth || r.c.files > maxIncludes {
		return errors.New("files include files too deep, or too many")
	}
	if r.include == nil {
		return errors.New("#include is not possible here")
	}
	files, err := r.include(word)
	for _, f := range files {
		err = errors.Join(err, r.c.read(f, r.include, r.depth+1))
	}
	return err
}

// value reads what follows a name: strings in quotes, which are joined, or else
// one word.
func value(s string) (word, rest string, ok bool) {
	if word, ok := cWord(s); ok {
		return word, "", true
	}
	return quoteWord(s)
}

// cWord reads strings in quotes up to the end, and joins them.
func cWord(s string) (string, bool) {
	if strings.Trim(s, " ") == "" {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			n := strings.IndexByte(s[i+1:], '"')
			if n < 0 {
				return "", false
			}
			b.WriteString(s[i+1 : i+1+n])
			i += n + 1
		case strings.IndexByte(space, s[i]) < 0:
			return "", false
		case i > 0 && strings.IndexByte(space, s[i-1]) >= 0:
		default:
			b.WriteByte(' ')
		}
	}
	return b.String(), true
}

// quoteWord reads one word, in which spaces may stand within quotes or square
// brackets, and bytes as % with two hexadecimal digits.
func quoteWord(s string) (word, rest string, ok bool) {
	i := len(s) - len(strings.TrimLeft(s, " "))
	if i == len(s) {
		return "", s, false
	}
	for ; i < len(s) && strings.IndexByte(space, s[i]) < 0; i++ {
		for _, pair := range []string{`""`, "[]"} {
			if i < len(s) && s[i] == pair[0] {
				n := strings.IndexByte(s[i+1:], pair[1])
				if n < 0 {
					return "", s, false
				}
				i += n + 1
			}
		}
	}
	var b strings.Builder
	for k := 0; k < i; k++ {
		if s[k] == '%' && k+2 < i {
			if n, err := strconv.ParseUint(s[k+1:k+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				k += 2
				continue
			}
		}
		if s[k] != '"' {
			b.WriteByte(s[k])
		}
	}
	word, _, _ = strings.Cut(b.String(), "\x00") // where apt's strings end
	return word, strings.TrimLeft(s[i:], space), true
}
