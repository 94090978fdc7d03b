package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Policy says when a file is good: when signers of enough weight vouch for it.
type Policy struct {
	Version int            `yaml:"satchel-policy" json:"-"`                    // 1
	Minimum int            `yaml:"minimum" json:"minimum"`                     // the weight that it takes
	Keyring string         `yaml:"keyring,omitempty" json:"keyring,omitempty"` // file or folder of public keys, from the policy's own folder
	Signers []PolicySigner `yaml:"signers" json:"signers"`
}

// PolicySigner is one who may vouch.
type PolicySigner struct {
	Name   string   `yaml:"name" json:"name"`
	Weight int      `yaml:"weight" json:"weight"`
	Keys   []string `yaml:"keys" json:"keys"` // fingerprints: 40 hexadecimal digits of a primary OpenPGP key, or SSH's SHA256:…
}

const (
	maxPolicy = 1 << 20
	maxWeight = 1 << 20
)

// ParsePolicy reads a policy as strictly as a lock. A policy that nothing could
// ever satisfy, one key of two signers or two signers of one name are refused.
// The error is a *Problems.
func ParsePolicy(file string, data []byte) (*Policy, error) {
	root, err := readNode(file, data, maxPolicy, true)
	if err != nil {
		return nil, err
	}
	r := &strictReader{walker: walker{findings: newFindings(file, data)}, lines: map[string]int{}}
	var p Policy
	r.value(root, "", reflect.ValueOf(&p).Elem())
	if len(r.findings.list) == 0 {
		r.policy(&p)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &p, nil
}

func (r *strictReader) policy(p *Policy) {
	if p.Version != 1 {
		r.add(r.line("satchel-policy"), "satchel-policy: version %d is not known; this satchel reads 1", p.Version)
	}
	if p.Keyring != "" && !clean(p.Keyring) {
		r.add(r.line("keyring"), "keyring: %q is no path", shorten(p.Keyring))
	}
	names, keys := map[string]int{}, map[string]string{}
	sum := 0
	for i := range p.Signers {
		s := &p.Signers[i]
		path := fmt.Sprintf("signers[%d]", i)
		if s.Name == "" || !clean(s.Name) {
			r.add(r.line(path+".name"), "%s.name: %q is no readable text", path, shorten(s.Name))
		}
		if old, ok := names[strings.ToLower(s.Name)]; ok {
			r.add(r.line(path+".name"), "%s.name: %q is there already, in line %d", path, shorten(s.Name), old)
		}
		names[strings.ToLower(s.Name)] = r.line(path + ".name")
		if s.Weight < 1 || s.Weight > maxWeight {
			r.add(r.line(path+".weight"), "%s.weight: %d is not between 1 and %d", path, s.Weight, maxWeight)
		}
		sum += min(max(s.Weight, 0), maxWeight)
		if len(s.Keys) == 0 {
			r.add(r.line(path), "%s.keys: there is none: nobody could sign as %q", path, shorten(s.Name))
		}
		for k, key := range s.Keys {
			at := fmt.Sprintf("%s.keys[%d]", path, k)
			s.Keys[k] = canonicalKey(key)
			switch old, twice := keys[s.Keys[k]]; {
			case s.Keys[k] == "":
				r.add(r.line(at), "%s: %q is no fingerprint: want 40 hexadecimal digits, or SHA256: and 43 of base64", at, shorten(key))
			case twice:
				r.add(r.line(at), "%s: the key is also that of %q: it would count twice", at, shorten(old))
			}
			keys[s.Keys[k]] = s.Name
		}
	}
	if p.Minimum < 1 {
		r.add(r.line("minimum"), "minimum: %d would trust what nobody signed; want 1 at least", p.Minimum)
	} else if p.Minimum > sum {
		r.add(r.line("minimum"), "minimum: all signers together weigh %d, so nothing could ever reach %d", sum, p.Minimum)
	}
}

// canonicalKey writes a fingerprint in its one form, or returns "".
func canonicalKey(s string) string {
	hex := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	base64, ssh := strings.CutPrefix(s, "SHA256:")
	switch {
	case hexDigits(hex, 40):
		return strings.ToUpper(hex)
	case ssh && len(base64) == 43 && word(base64, "+/"):
		return s
	}
	return ""
}

// Signer returns whose key has the fingerprint; nil if it is nobody's.
func (p *Policy) Signer(fingerprint string) *PolicySigner {
	for i := range p.Signers {
		if slices.Contains(p.Signers[i].Keys, fingerprint) {
			return &p.Signers[i]
		}
	}
	return nil
}
