package aptmirror

import (
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 old archives have no other signature, and it takes a waiver to look at them
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/pjbgf/sha1cd"
)

// What old archives have signed with, and nobody should trust without saying so:
// Ubuntu's from lucid to precise have one signature each, by a DSA key of 1024
// bits, with SHA-1, some in the form of OpenPGP's version 3, which gpg wrote by
// default until 1.4.8 of 2007 and Ubuntu's archive until after lucid of 2010.

// Weakly returns the same keys under laxer rules: a signature is good, too, that is
// by a DSA key of 1024 bits or more, with SHA-1, or both; and a detached one by a
// DSA key may be of version 3. Beside a good one by the rules of k they count for
// nothing, so that these rules change no answer but that of ErrWeakSignature. MD5,
// RIPEMD and short RSA keys prove nothing by any rule, and SHA-1 is computed with
// detection of collisions.
func (k *Keyring) Weakly() *Keyring {
	weak := *k
	weak.weak = true
	return &weak
}

// Least sizes of a DSA key, in bits: those of the standard of 1994.
const (
	minDSAKey      = 1024
	minDSASubgroup = 160
)

// weakKey reports why signatures of this key prove nothing even by the rules of
// Weakly.
func weakKey(pk *packet.PublicKey) error {
	if key, ok := pk.PublicKey.(*dsa.PublicKey); ok && pk.PubKeyAlgo == packet.PubKeyAlgoDSA {
		if key.P.BitLen() < minDSAKey || key.Q.BitLen() < minDSASubgroup || key.Q.BitLen()%8 != 0 {
			return fmt.Errorf("a DSA key of %d bits, with a subgroup of %d", key.P.BitLen(), key.Q.BitLen())
		}
		return nil
	}
	return strongKey(pk)
}

// collided tells whether what was hashed is half of a known way to collide.
func collided(h hash.Hash) bool {
	cd, ok := h.(sha1cd.CollisionResistantHash)
	if !ok {
		return false
	}
	_, yes := cd.CollisionResistantSum(nil)
	return yes
}

// An oldSignature is one of version 3 (RFC 4880, section 5.2.2) by a DSA key.
type oldSignature struct {
	hashed  []byte // of the packet: its type and time
	kind    packet.SignatureType
	created time.Time
	hash    crypto.Hash
	tag     [2]byte // the hash's first bytes
	r, s    *big.Int
}

// errOld is why a signature of version 3 is not looked at.
var errOld = errors.New("it is of version 3")

// parseOld reads the body of a packet.
func parseOld(body []byte) (*oldSignature, error) {
	const fixed = 19
	if len(body) < fixed || body[0] != 3 || body[1] != 5 || packet.PublicKeyAlgorithm(body[15]) != packet.PubKeyAlgoDSA {
		return nil, errOld
	}
	sig := &oldSignature{
		hashed: body[2:7], kind: packet.SignatureType(body[2]), created: time.Unix(int64(binary.BigEndian.Uint32(body[3:7])), 0).UTC(),
		tag: [2]byte(body[17:fixed]),
	}
	for id, h := range map[byte]crypto.Hash{2: crypto.SHA1, 8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512, 11: crypto.SHA224} {
		if body[16] == id {
			sig.hash = h
		}
	}
	if sig.hash == 0 {
		return nil, fmt.Errorf("%w, with hash algorithm %d", errOld, body[16])
	}
	rest := body[fixed:]
	for _, n := range []**big.Int{&sig.r, &sig.s} {
		bits := bigEndian(rest, 0, 2)
		size := (bits + 7) / 8
		if bits < 0 || len(rest) < 2+size {
			return nil, errors.New("a number of it is cut short")
		}
		*n, rest = new(big.Int).SetBytes(rest[2:2+size]), rest[2+size:]
	}
	if len(rest) > 0 {
		return nil, errors.New("there is something after it")
	}
	return sig, nil
}

// verify tells whether key has signed this text, and if that proves nothing for
// another reason, which.
func (sig *oldSignature) verify(key *signingKey, signed []byte) (bool, error) {
	pk, ok := key.pk.PublicKey.(*dsa.PublicKey)
	if !ok || key.pk.PubKeyAlgo != packet.PubKeyAlgoDSA {
		return false, nil
	}
	h := newHash(sig.hash)
	h.Write(signed)
	h.Write(sig.hashed)
	sum := h.Sum(nil)
	if [2]byte(sum) != sig.tag || !dsa.Verify(pk, sum[:min(len(sum), pk.Q.BitLen()/8)], sig.r, sig.s) {
		return false, nil
	}
	if collided(h) {
		return true, errCollision
	}
	return true, nil
}

var errCollision = errors.New("its text was made to collide with another one")

// newHash is h.New, but that SHA-1 is computed with detection of collisions.
func newHash(h crypto.Hash) hash.Hash {
	if h == crypto.SHA1 {
		return sha1cd.New()
	}
	return h.New()
}

// old checks a signature of version 3 that claims to be by one of keys.
func (c *checker) old(p rawPacket, keys []*signingKey) (Signer, error) {
	sig, err := parseOld(p.body())
	if err == nil && (sig.kind != c.kind || c.kind != packet.SigTypeBinary) {
		err = fmt.Errorf("%w, of type %#x", errOld, int(sig.kind))
	}
	if err != nil {
		return Signer{}, fmt.Errorf("%w: %w (key %s)", ErrUnusableSignature, err, keys[0].fingerprint)
	}
	if sig.created.After(c.now.Add(clockSkew)) {
		return Signer{}, fmt.Errorf("%w: it was made %s (key %s)", ErrFutureSignature, sig.created.Format(time.RFC3339), keys[0].fingerprint)
	}
	for _, key := range keys {
		right, err := sig.verify(key, c.signed)
		switch {
		case !right:
			continue
		case err != nil:
			return Signer{}, fmt.Errorf("%w: %w (key %s)", ErrUnusableSignature, err, key.fingerprint)
		case !c.keyring.weak:
			return Signer{}, fmt.Errorf("%w: %w, by a DSA key (key %s)", ErrWeakSignature, errOld, key.fingerprint)
		}
		if err := key.mayMake(sig.created, c.dated, true); err != nil {
			return Signer{}, err
		}
		return c.signer(key, sig.created, true), nil
	}
	return Signer{}, fmt.Errorf("%w (key %s)", ErrBadSignature, keys[0].fingerprint)
}

// strongest leaves out what is weak if anything is not.
func strongest(signers []Signer) []Signer {
	var strong []Signer
	for _, s := range signers {
		if !s.Weak {
			strong = append(strong, s)
		}
	}
	if len(strong) > 0 {
		return strong
	}
	return signers
}
