package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"time"

	"satchel/aptmirror"
	"satchel/bundle"
	"satchel/bundle/plan"
	"satchel/bundle/sigs"
	"satchel/manifest"
	"satchel/manifest/compare"
)

// assertFile is an assert that is to be reproduced.
type assertFile struct {
	file      string
	text, sig []byte
	result    *manifest.Result
	signature compare.Signature
}

// asserts gives each request its assert, takes what they name out of from, and
// returns their pins. Signatures come first: what is not signed as it must be is
// not read.
func (o *online) asserts(ctx context.Context, requests []plan.Request, from []string, f lockFlags) ([]manifest.AssertPin, error) {
	if err := f.sensibleAsserts(); err != nil || len(f.FromAssert) == 0 {
		return nil, err
	}
	keys, err := (&sigsFlags{Keyring: f.AssertKeyring}).keys()
	if err != nil {
		return nil, err
	}
	first := map[string]*assertFile{}
	var pins []manifest.AssertPin
	for _, file := range f.FromAssert {
		a, err := readAssert(file, keys)
		if err != nil {
			return nil, err
		}
		pin, err := o.pinAssert(ctx, a, keys)
		if err != nil {
			return nil, fmt.Errorf("taking %s: %w", file, err)
		}
		o.ui.Stepf("%s: %s", file, pin.Label())
		if err := o.agree(first[a.result.Name], a); err != nil {
			return nil, err
		}
		if first[a.result.Name] == nil {
			first[a.result.Name] = a
		}
		if !slices.ContainsFunc(pins, func(p manifest.AssertPin) bool {
			return p.Descriptor == pin.Descriptor && p.Blob == pin.Blob && p.SignedBy == pin.SignedBy
		}) { // else two builders came to the very same, and nobody asks who they are
			pins = append(pins, pin)
		}
	}
	var wanted []manifest.NeededBlob
	for i := range requests {
		r := &requests[i]
		a := first[r.Descriptor.Name]
		if a == nil {
			return nil, fmt.Errorf("%w: none of the asserts is of %s", errUsage, r.Descriptor.Name)
		}
		r.Assert, r.FillIn = a.result, f.FillIn
		delete(first, r.Descriptor.Name)
		wanted = append(wanted, wantedOf(a.result)...)
	}
	for name, a := range first {
		return nil, fmt.Errorf("%w: %s is of %s, and no descriptor is", errUsage, a.file, name)
	}
	return pins, o.takeFrom(ctx, wanted, from)
}

func (f lockFlags) sensibleAsserts() error {
	switch given := len(f.FromAssert) > 0; {
	case !given && (f.FillIn || f.TrustAssert || len(f.AssertKeyring) > 0):
		return fmt.Errorf("%w: --fill-in, --trust-assert and --assert-keyring are for --from-assert", errUsage)
	case given && f.Image != "":
		return fmt.Errorf("%w: an assert says what the base system is, so there is no --image", errUsage)
	case given && f.BasePackages != nil:
		return fmt.Errorf("%w: an assert says which packages there are, so there are no --base-packages; --fill-in adds what they need", errUsage)
	}
	return nil
}

// readAssert reads an assert, or a result, and checks its signature if there are keys.
func readAssert(file string, keys *sigs.Keys) (*assertFile, error) {
	a := &assertFile{file: file}
	var err error
	if a.text, err = readBounded(file, maxStatement); err != nil {
		return nil, err
	}
	for _, ext := range []string{".sig", ".asc"} {
		if a.sig, err = readBounded(file+ext, maxStatement); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if keys != nil {
		a.signature = keys.Check(a.text, a.sig, time.Now())
		if !a.signature.Status.Counts() {
			return nil, fmt.Errorf("%w: %s: its signature is %s %s", errNotVouched, file, a.signature.Status, a.signature.Note)
		}
	}
	a.result, err = manifest.ParseResult(file, a.text)
	return a, err
}

// pinAssert puts an assert into the store, with what it takes to check it again.
func (o *online) pinAssert(ctx context.Context, a *assertFile, keys *sigs.Keys) (manifest.AssertPin, error) {
	pin := manifest.AssertPin{Descriptor: a.result.Name, Release: a.result.Release}
	put := func(data []byte) (manifest.Blob, error) {
		return o.store.Add(ctx, bytes.NewReader(data), int64(len(data)))
	}
	var err error
	if pin.Blob, err = put(a.text); err != nil || keys == nil {
		return pin, err
	}
	sig, err := put(a.sig)
	if err != nil {
		return pin, err
	}
	pin.SignedBy, pin.Signature = a.signature.Key, &sig
	if strings.HasPrefix(pin.SignedBy, "SHA256:") {
		return pin, nil
	}
	public, err := keys.OpenPGP(pin.SignedBy)
	if err != nil {
		return pin, err
	}
	ring, err := put(public)
	pin.Keyring, pin.Signed = &ring, a.signature.Created.UTC().Format(time.RFC3339)
	return pin, err
}

// agree demands that two asserts of a descriptor are of the same build: the same
// inputs and outputs. That they list other packages is common, and told: those of
// the first are pinned. One package with two hashes is refused.
func (o *online) agree(first, other *assertFile) error {
	if first == nil {
		return nil
	}
	a, b := first.result, other.result
	if !reflect.DeepEqual(a.In.Descriptor, b.In.Descriptor) || !reflect.DeepEqual(a.In.Git, b.In.Git) || !reflect.DeepEqual(a.In.Files, b.In.Files) {
		return fmt.Errorf("%w: %s and %s are of other sources, files or descriptors", errIncomparable, first.file, other.file)
	}
	r := compare.Compare(a.Release, a.Name, []compare.Statement{
		{Signer: first.file, File: first.file, Result: a}, {Signer: other.file, File: other.file, Result: b},
	}, aptmirror.CompareVersions)
	if r.Answer != compare.Agree {
		if err := reportTable(o.ui.err, r, true); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s and %s: there is no one build to reproduce", errDiffer, first.file, other.file)
	}
	here := map[string]manifest.Digest{}
	for _, base := range a.Base {
		for _, s := range base.Sums {
			here[base.Target+" "+s.Path] = s.SHA256
		}
	}
	others := 0
	for _, base := range b.Base {
		for _, s := range base.Sums {
			switch sum, ok := here[base.Target+" "+s.Path]; {
			case !ok:
				others++
			case sum != s.SHA256:
				return fmt.Errorf("%w: %s of %s has one hash in %s and another in %s", errIncomparable, s.Path, base.Target, first.file, other.file)
			}
		}
	}
	if others > 0 {
		o.ui.Stepf("%s lists %d packages that %s does not; those of %s are pinned", other.file, others, first.file, first.file)
	}
	return nil
}

// wantedOf lists what an assert names by hash.
func wantedOf(r *manifest.Result) []manifest.NeededBlob {
	var all []manifest.NeededBlob
	add := func(s manifest.FileSum) {
		all = append(all, manifest.NeededBlob{Name: s.Path, Blob: manifest.Blob{SHA256: s.SHA256}})
	}
	for _, f := range r.In.Files {
		add(f)
	}
	for _, b := range r.Base {
		for _, s := range b.Sums {
			add(s)
		}
	}
	return all
}

// ownExpectations are what a lock that was made from asserts expects of a run.
func ownExpectations(v *bundle.Verified, names []string) ([]expectation, error) {
	var all []expectation
	for _, a := range v.Lock().Asserts {
		if !slices.Contains(names, a.Descriptor) {
			continue
		}
		f, err := v.Open(a.Blob)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		r, err := manifest.ParseResult(a.Label(), text)
		if err != nil {
			return nil, err
		}
		all = append(all, expectation{a.Label(), r})
	}
	return all, nil
}

// tellVouched says which packages only an assert vouches for.
func tellVouched(ui *ui, lock *manifest.Lock) {
	told := map[string]bool{}
	for _, a := range lock.Asserts {
		if told[a.Descriptor] {
			ui.Stepf("%s: beside it, %s", a.Descriptor, a.Label())
			continue
		}
		told[a.Descriptor] = true
		n := lock.Vouched(a.Descriptor)
		switch {
		case n == 0:
			ui.Stepf("%s: the packages are those of %s, and archives list them all", a.Descriptor, a.Label())
		default:
			ui.Stepf("%s: %s in no index of an archive; they are those of %s", a.Descriptor, isOrAre(n), a.Label())
		}
	}
}

func isOrAre(n int) string {
	if n == 1 {
		return "1 package is"
	}
	return fmt.Sprintf("%d packages are", n)
}
