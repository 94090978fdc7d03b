//go:build linux

package guest

import (
	"bytes"
	"context"
	"slices"
)

// startLocale begins to make the locale while packages that come later are
// installed, unless it has begun or cannot yet.
func (p *preparer) startLocale(ctx context.Context) {
	r := &runner{tree: newTree(p.tree.root), log: p.runner.log}
	if p.locale != nil || !r.hasLocales() {
		return
	}
	made := make(chan error, 1)
	p.locale = func() error { return <-made }
	go func() { made <- r.generateLocale(ctx) }()
}

// finishLocale makes the locale, or waits until it is made.
func (p *preparer) finishLocale(ctx context.Context) error {
	if p.locale == nil {
		return p.runner.generateLocale(ctx)
	}
	made := p.locale
	p.locale = nil
	return made()
}

// leaveLocales tells whether no script of packages to come could want to make
// locales, or speaks of them at all.
func leaveLocales(waves [][]*staged) bool {
	for _, wave := range waves {
		if slices.ContainsFunc(wave, func(s *staged) bool { return s.speaksOf("locale") }) {
			return false
		}
	}
	return true
}

// speaksOf tells whether a package's scripts or triggers hold one of some words.
func (s *staged) speaksOf(words ...string) bool {
	for _, f := range s.files {
		if isScript(f.Name) && slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(f.Content, []byte(w)) }) {
			return true
		}
	}
	return false
}

func isScript(name string) bool {
	return name == "preinst" || name == "postinst" || name == "config" || name == "triggers"
}
