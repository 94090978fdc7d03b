package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"satchel/manifest/provenance"
	"satchel/runner/differ"
)

// told is all that was varied, and what could not be, with the reason.
func (s *second) told(t *Twice, first []*build) []provenance.Variation {
	all := []provenance.Variation{timeOfDay(s.times)}
	for i, k := range s.kinds {
		all = append(all, k.told(s.varied[i], first, s.builds))
	}
	for _, k := range kinds() {
		if slices.Contains(t.Same, k.name) {
			all = append(all, provenance.Variation{Name: k.name, What: k.what, Why: "--same asks for it"})
		}
	}
	all = append(all, s.caller...)
	cache := provenance.Variation{Name: "cache", What: "path of the cache, and a new environment"}
	if t.Other != nil {
		cache.First, cache.Second = t.Scratch, t.OtherPath
	} else {
		cache.Why = "it takes --second-cache DIR, and the time to prepare the environment again"
	}
	return append(all, cache)
}

// timeOfDay tells how far apart the builds were. The kernel has no namespace for this
// clock, and a library before the program's own would be seen by the script.
func timeOfDay(t differ.Times) provenance.Variation {
	v := provenance.Variation{Name: "time", What: "time of day"}
	a, b := t.FirstFrom.UTC(), t.SecondFrom.UTC()
	if a.IsZero() || b.IsZero() {
		v.Why = "there is no clock"
		return v
	}
	v.First, v.Second = a.Format(time.RFC3339), b.Format(time.RFC3339)
	for _, part := range []struct{ name, layout string }{{"second", time.DateTime}, {"minute", "2006-01-02 15:04"}, {"hour", "2006-01-02 15"}, {"day", time.DateOnly}} {
		if a.Format(part.layout) == b.Format(part.layout) {
			v.What += ", by less than the " + part.name
			break
		}
	}
	return v
}

// known are the values to look for where outputs differ.
func known(all []provenance.Variation) []differ.Known {
	var out []differ.Known
	for _, v := range all {
		switch v.Name {
		case "host-name", "jobs", "memory", "kernel":
			if v.Why == "" {
				what, _, _ := strings.Cut(v.What, ",")
				out = append(out, differ.Known{What: what, First: v.First, Second: v.Second})
			}
		case "cache":
			if v.Why == "" {
				out = append(out, differ.Known{What: "cache folder", First: v.First, Second: v.Second})
			}
		}
	}
	return out
}

// record puts what came of it into the provenance of the first result.
func (t *Twice) record(out *Doubled) error {
	for _, b := range out.Built {
		name := filepath.Join(b.Dir, b.Provenance)
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("recording the second build: %w", err)
		}
		s, err := provenance.Parse(name, text)
		if err != nil {
			return err
		}
		same := out.Answer == TwiceSame || out.Answer == TwiceDiffer && !slices.ContainsFunc(out.Inside, func(i Inside) bool { return i.Descriptor == b.Descriptor })
		s.Predicate.BuildDefinition.InternalParameters.Twice = &provenance.Twice{Same: same, Varied: out.Varied}
		if text, err = s.Marshal(); err != nil {
			return err
		}
		if err := replace(name, text); err != nil {
			return fmt.Errorf("recording the second build: %w", err)
		}
	}
	return nil
}

// replace gives a file another content, whole or not at all.
func replace(name string, text []byte) error {
	next := name + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := writeNew(next, text)
	if err == nil {
		err = os.Rename(next, name)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(next))
	}
	return nil
}

// linkTree makes a folder that has the same files as another, which may not be there.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p == from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case d.Type().IsRegular():
			return os.Link(p, filepath.Join(to, rel))
		}
		return nil // the guest takes files and folders alone
	})
}
