package sigs

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"satchel/manifest"
	"satchel/manifest/compare"
)

// Vouched is one place of a tree where a file is named, and who vouches for it.
type Vouched struct {
	Release  string    `json:"release"`
	Name     string    `json:"name"` // of the build
	Path     string    `json:"path"` // of the output
	Weight   int       `json:"weight"`
	Minimum  int       `json:"minimum"`
	Vouchers []Voucher `json:"vouchers"` // whose signatures count, by name
	Others   []Voucher `json:"others"`   // whose do not, and why
	Against  []Voucher `json:"against"`  // who have another file of that path
}

// Enough reports whether the policy is satisfied.
func (v *Vouched) Enough() bool { return v.Weight >= v.Minimum }

// Voucher is one signer of a place.
type Voucher struct {
	Signer string         `json:"signer"`           // as the policy calls who counts; else the folder
	Weight int            `json:"weight,omitempty"` // 0: not of the policy
	File   string         `json:"file"`
	Status compare.Status `json:"status"`
	Key    string         `json:"key,omitempty"`
}

// Vouch looks for a file in all sets. A signer counts once, with good signatures
// by keys that the policy lists for them, whatever folder those lie in. Places are
// sorted by weight, the most first, then by release, name and path.
func (r Reader) Vouch(ctx context.Context, sets []Set, policy *manifest.Policy, file manifest.Digest) ([]Vouched, error) {
	var all []Vouched
	for _, set := range sets {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if r.mentions(set, file) {
			all = append(all, vouch(set, r.Set(set), policy, file)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Vouched) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Release, b.Release), strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path))
	})
	return all, nil
}

// mentions is a quick look that saves reading most sets in full. What it cannot
// read it cannot vouch for either.
func (r Reader) mentions(set Set, file manifest.Digest) bool {
	hex := []byte(file.Hex())
	return slices.ContainsFunc(set.Entries, func(e Entry) bool {
		if e.Odd != "" {
			return false
		}
		doc, err := r.bounded(e.File, maxStatement)
		// Escapes and base64 may hide a hash; such documents are read in full.
		return err == nil && (bytes.Contains(doc, hex) || bytes.IndexByte(doc, '\\') >= 0 || bytes.Contains(doc, []byte("binary")))
	})
}

// vouch tells who vouches for each path that has the file in one set.
func vouch(set Set, statements []compare.Statement, policy *manifest.Policy, file manifest.Digest) []Vouched {
	places := map[string]*Vouched{}
	for _, s := range statements {
		for _, o := range outputs(s) {
			if o.SHA256 == file && places[o.Path] == nil {
				places[o.Path] = &Vouched{Release: set.Release, Name: strings.TrimSuffix(set.Name, sumsMark), Path: o.Path, Minimum: policy.Minimum,
					Vouchers: []Voucher{}, Others: []Voucher{}, Against: []Voucher{}}
			}
		}
	}
	for _, s := range statements {
		for _, o := range outputs(s) {
			p := places[o.Path]
			if p == nil {
				continue
			}
			v := Voucher{Signer: s.Signer, File: s.File, Status: s.Signature.Status, Key: s.Signature.Key}
			counts := false
			if who := policy.Signer(s.Signature.Key); who != nil && s.Signature.Status.Counts() {
				v.Signer, v.Weight, counts = who.Name, who.Weight, true
			}
			switch {
			case o.SHA256 != file:
				p.Against = append(p.Against, v)
			case !counts:
				p.Others = append(p.Others, v)
			case !slices.ContainsFunc(p.Vouchers, func(w Voucher) bool { return w.Signer == v.Signer }):
				p.Vouchers = append(p.Vouchers, v)
				p.Weight += v.Weight
			}
		}
	}
	var all []Vouched
	for _, p := range places {
		slices.SortFunc(p.Vouchers, func(a, b Voucher) int { return strings.Compare(a.Signer, b.Signer) })
		all = append(all, *p)
	}
	return all
}

func outputs(s compare.Statement) []manifest.FileSum {
	if s.Result == nil {
		return nil
	}
	return s.Result.Out
}
