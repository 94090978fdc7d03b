package bundle

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"satchel/aptmirror"
)

// Policy says when a bundle is trusted. The zero Policy trusts no bundle.
type Policy struct {
	AllowedSigners *Signers // whose signatures count
	Threshold      int      // how many independent signers it takes, at least 1
	// Unsigned accepts a bundle whoever signed it, or nobody. What it holds is
	// still checked in full.
	Unsigned bool
	// Now is the time at which a key with valid-after or valid-before must be
	// valid. With the zero time such keys do not count.
	Now time.Time
	// ArchiveKeys, if it is given, must hold a key that signed each archive's
	// Release. Otherwise the report tells whose keys the lock trusted.
	ArchiveKeys *aptmirror.Keyring
}

// trust checks every signature of the bundle and asks the policy. A signature
// that is not of this bundle's manifest is damage, whoever made it: no honest
// tool puts it there.
func (f *File) trust(policy Policy) ([]SignedBy, int, error) {
	if !policy.Unsigned && policy.Threshold < 1 {
		return nil, 0, errors.New("verifying bundle: the policy asks for no signature; that must be said with Unsigned")
	}
	all := []SignedBy{} // in JSON a list, also when nobody signed
	var good [][]allowed
	for i, r := range f.front.sigs {
		key, err := r.sig.check(f.front.doc)
		if err != nil {
			what := fmt.Sprintf("signature %d of %d: %v", i+1, len(f.front.sigs), err)
			return all, 0, &CorruptError{Faults: []Fault{{Offset: r.at, Blob: r.blob.SHA256, What: what}}, Made: true}
		}
		s := SignedBy{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type()}
		lines, why := policy.AllowedSigners.matchKey(key, SignatureNamespace, policy.Now)
		s.Trusted, s.Why = lines != nil, why
		for _, a := range lines {
			s.Principals = append(s.Principals, a.principals...)
		}
		if lines != nil {
			good = append(good, lines)
		}
		all = append(all, s)
	}
	n := independent(good)
	if policy.Unsigned || n >= policy.Threshold {
		return all, n, nil
	}
	return all, n, &UntrustedError{
		Identity: f.Identity(), Signed: all, Got: n, Want: policy.Threshold,
		Expected: policy.AllowedSigners.expected(), Advice: advice(policy, all),
	}
}

func advice(policy Policy, signed []SignedBy) string {
	switch {
	case policy.AllowedSigners == nil:
		return "give the keys that you trust (--keyring FILE), or accept it unsigned (--unsigned)"
	case len(signed) == 0:
		return "ask who made it to sign it (satchel sign), or accept it unsigned (--unsigned)"
	}
	return "ask the expected signers to sign it (satchel sign), or add a key to the keyring once you have its fingerprint from its owner"
}
