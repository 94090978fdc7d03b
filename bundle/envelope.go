package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"satchel/manifest"
	"satchel/manifest/provenance"
)

// ProvenanceNamespace is what a keyring's line must allow, if it has the option
// namespaces, for its key to count on provenance. DSSE itself has no namespaces.
const ProvenanceNamespace = "satchel-provenance"

// CheckEnvelope checks the signatures of provenance and counts the independent
// signers that the policy trusts. A signature by a key of the keyring over
// something else is an error; keys that are not in the keyring change nothing, and
// signatures by them cannot be checked, for an envelope has key IDs alone. That
// there are enough signers is left to the caller.
func (p Policy) CheckEnvelope(e *provenance.Envelope, payload []byte) (signed []SignedBy, trusted int, err error) {
	data := provenance.PAE(e.PayloadType, payload)
	var good [][]allowed
	for i, sig := range e.Signatures {
		key := p.AllowedSigners.byID(sig.KeyID)
		if key == nil {
			signed = append(signed, SignedBy{Fingerprint: "key ID " + shorten(sig.KeyID), Why: strangeKey})
			continue
		}
		s := SignedBy{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type()}
		raw, err := base64.StdEncoding.Strict().DecodeString(sig.Sig)
		if err == nil {
			err = checkPlain(key, data, raw)
		}
		if err != nil {
			return signed, 0, fmt.Errorf("checking signature %d of %d, by %s: %w", i+1, len(e.Signatures), s.Fingerprint, err)
		}
		lines, why := p.AllowedSigners.matchKey(key, ProvenanceNamespace, p.Now)
		s.Trusted, s.Why = lines != nil, why
		for _, a := range lines {
			s.Principals = append(s.Principals, a.principals...)
		}
		if lines != nil {
			good = append(good, lines)
		}
		signed = append(signed, s)
	}
	return signed, independent(good), nil
}

// byID finds the key that SignEnvelope calls so.
func (s *Signers) byID(id string) ssh.PublicKey {
	if s == nil {
		return nil
	}
	for _, a := range s.entries {
		if manifest.Sum(a.key.Marshal()).Hex() == strings.ToLower(id) {
			return a.key
		}
	}
	return nil
}

var errNotOver = errors.New("it is not over this document")

// checkPlain verifies a signature that has no wrapping: Ed25519; ECDSA in DER;
// RSA, PKCS #1 v1.5 with SHA-256.
func checkPlain(key ssh.PublicKey, data, sig []byte) error {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok || strings.HasPrefix(key.Type(), "sk-") {
		return fmt.Errorf("keys of type %s make no signatures that DSSE could hold", key.Type())
	}
	switch k := c.CryptoPublicKey().(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, data, sig)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, curveHash(k.Curve.Params().BitSize, data), sig)
	case *rsa.PublicKey:
		sum := sha256.Sum256(data)
		ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	default:
		ok = false
	}
	if !ok {
		return errNotOver
	}
	return nil
}

// curveHash is the hash that SSH uses with a curve of so many bits (RFC 5656, 6.2.1).
func curveHash(bits int, data []byte) []byte {
	switch {
	case bits <= 256:
		sum := sha256.Sum256(data)
		return sum[:]
	case bits <= 384:
		sum := sha512.Sum384(data)
		return sum[:]
	}
	sum := sha512.Sum512(data)
	return sum[:]
}
