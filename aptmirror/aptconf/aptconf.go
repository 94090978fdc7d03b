// Package aptconf reads apt's configuration files (apt.conf(5)): trees of named
// values, in braces or with :: between the names, lists, comments, #clear and
// #include. It gives what apt itself gives, which a test compares.
//
//	Acquire::http { Proxy "http://proxy.example.org:3128"; Proxy::mirror.example.org "DIRECT"; };
package aptconf

import "strings"

// A Config is what some files said, the later ones over the earlier. Names are
// compared without regard to case. The zero value is empty.
type Config struct {
	root  item
	items int
	files int // that were included
}

// item is a name with its value and what is below it. An item of a list has no
// name.
type item struct {
	tag, value string
	below      []*item
}

// Find returns the value of a name such as "Acquire::http::Proxy", "" if there
// is none.
func (c *Config) Find(name string) string {
	if it := c.lookup(name, false); it != nil {
		return it.value
	}
	return ""
}

// set gives a name its value. A name that ends in :: is a new item of a list.
func (c *Config) set(name, value string) { c.lookup(name, true).value = value }

// clear forgets the value of a name and all that is below it.
func (c *Config) clear(name string) {
	if it := c.lookup(name, false); it != nil {
		it.value, it.below = "", nil
	}
}

// lookup finds an item, or makes it.
func (c *Config) lookup(name string, create bool) *item {
	it := &c.root
	start := 0
	for end := 0; len(name)-end >= 2 && it != nil; end++ {
		if name[end] == ':' && name[end+1] == ':' {
			it = c.child(it, name[start:end], create)
			start = end + 2
			end = start // and one further: apt looks for no :: right here
		}
	}
	if it == nil {
		return nil
	}
	return c.child(it, name[start:], create)
}

// child finds an item below another, or makes it. No name is that of no item.
func (c *Config) child(it *item, tag string, create bool) *item {
	if tag != "" {
		for _, b := range it.below {
			if len(b.tag) == len(tag) && lower(b.tag) == lower(tag) {
				return b
			}
		}
	}
	if !create {
		return nil
	}
	n := &item{tag: tag}
	it.below = append(it.below, n)
	c.items++
	return n
}

// lower is for ASCII alone, as in apt.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
