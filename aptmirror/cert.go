package aptmirror

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// cert is a primary key and its subkeys.
type cert struct {
	raw    [][]byte      // packets as they stood, once per copy that differs
	keys   []*signingKey // the primary key first
	claims []claim       // what the primary key has signed about all of them
	settle sync.Once     // they have been checked
}

// claim is a signature by a primary key that nobody has checked yet: a machine
// has dozens of keys and needs three of them, and each signature takes as long
// to check as a thousand packages to read.
type claim struct {
	subject any
	sig     *packet.Signature
}

// primary is the key that the others belong to.
func (c *cert) primary() *signingKey { return c.keys[0] }

// signingKey is a primary key or subkey, with the sound signatures about it,
// which only cert.settled knows.
type signingKey struct {
	cert        *cert
	pk          *packet.PublicKey
	fingerprint string
	self        *packet.Signature   // the newest: self-signature or binding; nil: it may not sign
	revocations []*packet.Signature // sound ones
	// disowned: it has a revocation by another key. Its designated revoker may
	// make one; who that is, is not read here, so it counts whoever it is.
	disowned bool
}

// add takes one key: a primary key packet and what follows it.
func (k *Keyring) add(packets []rawPacket, raw []byte) error {
	if len(packets) == 0 {
		return nil
	}
	parsed, ok, err := packets[0].parse()
	if err != nil {
		return fmt.Errorf("reading a public key: %w", err)
	}
	pk, isKey := parsed.(*packet.PublicKey)
	if !ok || !isKey || pk.Version != 4 {
		return nil // of a kind that is not known
	}
	if bits, err := pk.BitLength(); err != nil || bits > maxKeyBits {
		return nil // it would take long to check, and nobody has such a key
	}
	k.usable++
	print := fingerprint(pk.Fingerprint)
	c := k.certs[print]
	if c == nil {
		if len(k.certs) == maxCerts {
			return fmt.Errorf("more than %d keys: %w", maxCerts, ErrTooBig)
		}
		c = &cert{}
		c.keys = []*signingKey{{cert: c, pk: pk, fingerprint: print}}
		k.certs[print] = c
	}
	if slices.ContainsFunc(c.raw, func(b []byte) bool { return bytes.Equal(b, raw) }) {
		return nil
	}
	c.raw = append(c.raw, bytes.Clone(raw))
	return c.addParts(packets[1:])
}

// addParts takes the signatures, user IDs and subkeys of c.
func (c *cert) addParts(packets []rawPacket) error {
	subject := any(c.primary()) // what signatures are about: *signingKey, user ID, or nil
	checked := 0
	for _, p := range packets {
		if p.tag == tagTrust || p.tag == tagMarker {
			continue
		}
		if p.tag != tagSignature {
			subject, checked = nil, 0
		}
		if p.tag == tagUserAttribute {
			continue
		}
		parsed, ok, err := p.parse()
		if err != nil {
			return fmt.Errorf("reading key %s: %w", c.primary().fingerprint, err)
		}
		if !ok {
			continue
		}
		switch parsed := parsed.(type) {
		case *packet.UserId:
			subject = parsed.Id
		case *packet.PublicKey:
			if subject, err = c.addSubkey(parsed); err != nil {
				return err
			}
		case *packet.Signature:
			if subject == nil {
				continue // about what is not known
			}
			if !parsed.CheckKeyIdOrFingerprint(c.primary().pk) { // by somebody else
				if key, ok := subject.(*signingKey); ok && isRevocation(parsed) {
					key.disowned = true
				}
				continue
			}
			if checked++; checked > maxSelfSigs {
				return fmt.Errorf("reading key %s: more than %d self-signatures: %w", c.primary().fingerprint, maxSelfSigs, ErrTooBig)
			}
			c.claims = append(c.claims, claim{subject, parsed})
		}
	}
	return nil
}

// addSubkey returns the subkey as a subject, nil if it is of an unknown kind.
func (c *cert) addSubkey(pk *packet.PublicKey) (any, error) {
	if pk.Version != 4 || !pk.IsSubkey {
		return nil, nil
	}
	print := fingerprint(pk.Fingerprint)
	for _, key := range c.keys[1:] {
		if key.fingerprint == print {
			return key, nil
		}
	}
	if len(c.keys) > maxSubkeys {
		return nil, fmt.Errorf("key %s has more than %d subkeys: %w", c.primary().fingerprint, maxSubkeys, ErrTooBig)
	}
	key := &signingKey{cert: c, pk: pk, fingerprint: print}
	c.keys = append(c.keys, key)
	return key, nil
}

// settled checks what c says of itself, once: the newest first, as of what says
// how long a key is good and for what, the newest that is sound holds.
func (c *cert) settled() {
	c.settle.Do(func() {
		slices.SortStableFunc(c.claims, func(a, b claim) int { return b.sig.CreationTime.Compare(a.sig.CreationTime) })
		for _, one := range c.claims {
			c.addSignature(one.subject, one.sig)
		}
		c.claims = nil
	})
}

// addSignature keeps a signature by c's primary key about subject if it is
// sound, and no newer one of its kind is.
func (c *cert) addSignature(subject any, sig *packet.Signature) {
	primary := c.primary()
	if sig.Version != 4 || hasCriticalNotation(sig) {
		return
	}
	switch subject := subject.(type) {
	case string:
		switch sig.SigType {
		case packet.SigTypeGenericCert, packet.SigTypePersonaCert, packet.SigTypeCasualCert, packet.SigTypePositiveCert:
			if primary.self == nil && primary.pk.VerifyUserIdSignature(subject, primary.pk, sig) == nil {
				primary.self = sig
			}
		}
	case *signingKey:
		switch {
		case subject == primary && sig.SigType == packet.SigTypeDirectSignature:
			if primary.self == nil && primary.pk.VerifyDirectKeySignature(sig) == nil {
				primary.self = sig
			}
		case subject == primary && sig.SigType == packet.SigTypeKeyRevocation:
			if primary.pk.VerifyRevocationSignature(sig) == nil {
				primary.revocations = append(primary.revocations, sig)
			}
		case subject != primary && sig.SigType == packet.SigTypeSubkeyBinding:
			if subject.self == nil && primary.pk.VerifyKeySignature(subject.pk, sig) == nil {
				subject.self = sig
			}
		case subject != primary && sig.SigType == packet.SigTypeSubkeyRevocation:
			if primary.pk.VerifySubkeyRevocationSignature(sig, subject.pk) == nil {
				subject.revocations = append(subject.revocations, sig)
			}
		}
	}
}

func isRevocation(sig *packet.Signature) bool {
	return sig.SigType == packet.SigTypeKeyRevocation || sig.SigType == packet.SigTypeSubkeyRevocation
}

// mayMake reports why a signature made at t by this key is not accepted. Whether
// the key has expired since does not matter; for believed see revokedAt, for weak
// Keyring.Weakly.
func (s *signingKey) mayMake(t time.Time, believed, weak bool) error {
	s.cert.settled()
	primary := s.cert.primary()
	enough := strongKey
	if weak {
		enough = weakKey
	}
	if err := enough(s.pk); err != nil {
		return fmt.Errorf("%w: %w (key %s)", ErrWeakSignature, err, s.fingerprint)
	}
	for _, key := range []*signingKey{primary, s} {
		if key.revokedAt(t, believed) {
			return fmt.Errorf("%w (key %s)", ErrRevokedKey, key.fingerprint)
		}
		if key.self == nil {
			return fmt.Errorf("%w: key %s has no sound self-signature", ErrUnusableSignature, key.fingerprint)
		}
		if t.Before(key.pk.CreationTime) {
			return fmt.Errorf("%w: it is older than its key %s", ErrUnusableSignature, key.fingerprint)
		}
		if key.pk.KeyExpired(key.self, t) {
			return fmt.Errorf("%w (key %s)", ErrExpiredKey, key.fingerprint)
		}
	}
	if s.self.FlagsValid && !s.self.FlagSign || s != primary && !s.self.FlagSign {
		return fmt.Errorf("%w: key %s is not for signing", ErrUnusableSignature, s.fingerprint)
	}
	return nil
}

// revokedAt: a key that was compromised, or revoked for no stated reason, never
// was good. One that was retired or replaced was good until then, if the date of
// a signature is believed; apt does not, as that date is what the signer says.
func (s *signingKey) revokedAt(t time.Time, believed bool) bool {
	if s.disowned {
		return true
	}
	for _, r := range s.revocations {
		if !believed || r.RevocationReason == nil || !t.Before(r.CreationTime) {
			return true
		}
		if *r.RevocationReason != packet.KeySuperseded && *r.RevocationReason != packet.KeyRetired {
			return true
		}
	}
	return false
}

// expired reports whether the key or its primary key has expired at now.
func (s *signingKey) expired(now time.Time) bool {
	s.cert.settled()
	primary := s.cert.primary()
	return s.pk.KeyExpired(s.self, now) || primary.pk.KeyExpired(primary.self, now)
}
