package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"satchel/bundle/stage"
	"satchel/manifest/provenance"
	"satchel/runner/differ"
)

// Twice builds a second time with everything varied that may vary, and says what came
// out differently. The first build is Run's own, to the letter, and its result is
// placed as always.
type Twice struct {
	*Run
	// Same are names of Variations that are left as they are.
	Same []string
	// Apart is how long after the last script of the first build began the second build
	// begins, at the earliest: what is prepared before takes time of the first build alone.
	Apart time.Duration
	// Wait waits; the end of ctx ends it.
	Wait func(ctx context.Context, d time.Duration) error
	// Other is the engine of the second build, with a cache of its own at OtherPath; nil: the same one.
	Other     Engine
	OtherPath string
	// Caller varies what the second build could inherit of who runs satchel, and undoes that;
	// nil: nothing is varied.
	Caller func() (varied []provenance.Variation, undo func())
}

// Answers of Twice.
const (
	TwiceSame   = "same"   // both builds have the same outputs
	TwiceDiffer = "differ" // they have not
	TwiceFailed = "failed" // the second build did not end well
)

// Doubled is what came of building twice.
type Doubled struct {
	Answer string                 `json:"answer"`
	Text   string                 `json:"text"`             // the answer in a sentence
	Built  []Built                `json:"built"`            // of the first build
	Second string                 `json:"second,omitempty"` // folder of the second result; kept unless it is the same
	Varied []provenance.Variation `json:"varied"`
	Inside []Inside               `json:"inside"` // what differs, one a descriptor that does

	Failure error `json:"-"` // of the second build
}

// Inside is what two results of a descriptor have differently.
type Inside struct {
	Descriptor  string              `json:"descriptor"`
	First       string              `json:"first"`  // folders that were compared
	Second      string              `json:"second"` //
	Differences []differ.Difference `json:"differences"`
}

// SecondOf is where the second result is kept.
func SecondOf(result string) string { return filepath.Clean(result) + ".second" }

// Do builds twice. The error is that of the first build, or of a second one that could not
// be carried out; that its script failed is an answer.
func (t *Twice) Do(ctx context.Context) (*Doubled, error) {
	second := SecondOf(t.Result)
	if err := freeFor(second); err != nil {
		return nil, err
	}
	cache, release, err := t.snapshot()
	if err != nil {
		return nil, err
	}
	defer release()
	builds, err := t.plan()
	if err != nil {
		return nil, err
	}
	from := t.now()
	out := &Doubled{Inside: []Inside{}}
	if out.Built, err = t.do(ctx, builds); err != nil {
		return nil, err
	}
	to := t.now()
	if err := t.apart(ctx, lastBegin(builds), to); err != nil {
		return nil, err
	}
	again, err := t.again(ctx, second, cache)
	if err != nil {
		t.Story.Step(t.Result + " has the first build, whole; how a second one would come out is not known")
		return nil, err
	}
	again.times = differ.Times{FirstFrom: from, FirstTo: to, SecondFrom: again.from, SecondTo: t.now()}
	out.Varied = again.told(t, builds)
	if err := t.judge(ctx, out, again); err != nil {
		return nil, err
	}
	return out, t.record(out)
}

// snapshot makes a folder in which the second build finds gitian's caches as the first
// did: links to the same files, which nobody changes in place.
func (t *Twice) snapshot() (dir string, release func(), err error) {
	if err := os.MkdirAll(t.Cache, 0o700); err != nil {
		return "", nil, fmt.Errorf("keeping the build cache for the second build: %w", err)
	}
	dir, held, err := stage.Folder(t.Cache, ".new-")
	if err != nil {
		return "", nil, fmt.Errorf("keeping the build cache for the second build: %w", err)
	}
	release = func() { os.RemoveAll(dir); held.Close() }
	var done []string // descriptors share the caches of a target
	for _, target := range t.Lock.Targets {
		key := cacheKey(target)
		if slices.Contains(done, key) {
			continue
		}
		done = append(done, key)
		if err := linkTree(filepath.Join(t.Cache, key), filepath.Join(dir, key)); err != nil {
			release()
			return "", nil, fmt.Errorf("keeping the build cache for the second build: %w", err)
		}
	}
	return dir, release, nil
}

// lastBegin is when the last of their scripts began.
func lastBegin(builds []*build) (last time.Time) {
	for _, b := range builds {
		if b.ran.After(last) {
			last = b.ran
		}
	}
	return last
}

// apart waits until the second build may begin.
func (t *Twice) apart(ctx context.Context, from, to time.Time) error {
	left := t.Apart - to.Sub(from)
	if left <= 0 || t.Wait == nil || t.Now == nil {
		return nil
	}
	t.Story.Step(fmt.Sprintf("Waiting %v, so that the second build has another time", left.Round(time.Second)))
	return t.Wait(ctx, left)
}

// second is a second build under way, and how it ended.
type second struct {
	run    *Run
	kinds  []kind
	varied []provenance.Variation
	caller []provenance.Variation
	builds []*build
	built  []Built
	failed *ScriptError
	from   time.Time
	times  differ.Times
}

// again builds the second time.
func (t *Twice) again(ctx context.Context, result, cache string) (*second, error) {
	r := &Run{
		Engine: t.Engine, Source: t.Source, Lock: t.Lock, Options: t.Options, Result: result, Scratch: t.Scratch, Cache: cache, Story: t.Story,
		Only: t.Only, SideBySide: t.SideBySide, Output: t.Output, Bundle: t.Bundle, Satchel: t.Satchel, Now: t.Now,
	}
	if t.Other != nil {
		r.Engine = t.Other
	}
	s := &second{run: r, from: t.now()}
	for _, k := range kinds() {
		if !slices.Contains(t.Same, k.name) {
			first, other := k.set(r)
			s.kinds = append(s.kinds, k)
			s.varied = append(s.varied, provenance.Variation{Name: k.name, What: k.what, First: first, Second: other})
		}
	}
	t.Story.Step("--- Building a second time, with everything varied that may vary ---")
	if t.Caller != nil {
		varied, undo := t.Caller()
		defer undo()
		s.caller = varied
	}
	var err error
	if s.builds, err = r.plan(); err != nil {
		return nil, err
	}
	s.built, err = r.do(ctx, s.builds)
	if errors.As(err, &s.failed) && ctx.Err() == nil {
		return s, nil
	}
	if err != nil {
		err = fmt.Errorf("building a second time: %w", err)
	}
	return s, err
}

// judge compares what came out, and keeps the second result if there is something to see.
func (t *Twice) judge(ctx context.Context, out *Doubled, s *second) error {
	if s.failed != nil {
		out.Answer, out.Failure = TwiceFailed, s.failed
		out.Text = "the script ended well the first time and failed the second: it depends on something that was varied (--same NAME leaves one of these as it is)"
		return nil
	}
	e := differ.Explainer{Known: known(out.Varied), Times: s.times, Scratch: t.Scratch}
	if s.run.vary.guest.Pids > 0 {
		e.SecondPids = secondPids
	}
	different, outputs := 0, 0
	for i, b := range out.Built {
		other := s.built[i]
		n := unequal(b.Outputs, other.Outputs)
		outputs, different = outputs+len(b.Outputs), different+n
		in := Inside{Descriptor: b.Descriptor, First: filepath.Join(b.Dir, "out"), Second: filepath.Join(other.Dir, "out"), Differences: environments(b, other)}
		if n > 0 {
			t.Story.Step(fmt.Sprintf("Looking into what differs in %s", b.Descriptor))
			found, err := e.Trees(ctx, in.First, in.Second)
			if err != nil {
				return err
			}
			in.Differences = append(in.Differences, found...)
		}
		if len(in.Differences) > 0 {
			out.Inside = append(out.Inside, in)
		}
	}
	if len(out.Inside) == 0 {
		out.Answer, out.Text = TwiceSame, "both builds have the same outputs"
		return os.RemoveAll(s.run.Result)
	}
	out.Answer, out.Second = TwiceDiffer, s.run.Result
	out.Text = fmt.Sprintf("%d of %d outputs differ between the two builds", different, outputs)
	if different == 0 {
		out.Text = "the outputs are the same, and the environments are not"
	}
	return nil
}

// unequal counts outputs that only one has, or that are not the same.
func unequal(a, b []Output) int {
	sums := map[string]Output{}
	for _, o := range b {
		sums[o.Path] = o
	}
	n := 0
	for _, o := range a {
		if sums[o.Path] != o {
			n++
		}
		delete(sums, o.Path)
	}
	return n + len(sums)
}

// environments tells of those that were made anew and have become others.
func environments(a, b Built) []differ.Difference {
	found := []differ.Difference{}
	for i, e := range a.Environments {
		if o := b.Environments[i]; o != e {
			found = append(found, differ.Difference{Where: fmt.Sprintf("environment %d", i+1), Kind: differ.Identifier, Text: "prepared anew it is another: compare logs/*-environment.txt",
				First: e.Root.String(), Second: o.Root.String()})
		}
	}
	return found
}
