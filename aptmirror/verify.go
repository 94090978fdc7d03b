package aptmirror

import (
	"crypto"
	_ "crypto/sha1" // to tell a weak signature from a wrong one
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// clockSkew is how far in the future a signature or Release may be: archives
// sign at the moment they publish, and clocks differ.
const clockSkew = time.Hour

// maxSignatures bounds the signatures of one Release. Debian's have three.
const maxSignatures = 32

// Why a signature was not accepted. VerifyInRelease and VerifyRelease wrap one
// or more of them.
var (
	// ErrBadSignature: a key of the keyring signed something else. The file was
	// changed, and no other signature can mend that.
	ErrBadSignature = errors.New("bad signature: the file is not what was signed")
	// ErrUnknownSigner: no signature is by a key of the keyring.
	ErrUnknownSigner = errors.New("no signature is by a key of the keyring")
	// ErrWeakSignature: it is right, but by a DSA or short RSA key, or with SHA-1.
	ErrWeakSignature = errors.New("the signature is too weak")
	// ErrExpiredKey: the key had expired when the signature was made.
	ErrExpiredKey = errors.New("the key had expired when it signed")
	// ErrRevokedKey: the key was revoked.
	ErrRevokedKey = errors.New("the key is revoked")
	// ErrExpiredSignature: the signature itself has a time limit, which is over.
	ErrExpiredSignature = errors.New("the signature has expired")
	// ErrFutureSignature: by the clock, the signature is not made yet.
	ErrFutureSignature = errors.New("the signature is from the future: check this machine's clock")
	// ErrUnusableSignature: of a kind that does not sign a Release, or by a key
	// that may not sign.
	ErrUnusableSignature = errors.New("the signature cannot be used")
)

// A Signer is a key of the keyring that has signed.
type Signer struct {
	Fingerprint    string    // of the primary key, upper-case hexadecimal
	KeyFingerprint string    // of the key that made the signature: the primary key or a subkey
	Created        time.Time // when, as the signature says; UTC
	Expired        bool      // the key was valid then, but has expired by now
	Weak           bool      // it counts only by the rules of Keyring.Weakly
}

// VerifyInRelease checks a clear-signed Release file at the time now and reads
// it. Only what is signed is read. It demands one good signature by a key of
// the keyring, made while that key was valid. Beside it there may be signatures
// by other keys, which are ignored, and right ones that are too weak or came
// after their key had expired, but no other: gpgv and apt give up on most of what
// could be there, some by its place. The signers are the good ones, sorted by KeyFingerprint. If the key has since expired,
// Signer.Expired says so, and the caller decides. Whether the Release itself is
// still current is a different question: ask Release.Fresh.
//
// Errors wrap ErrClearsign, one of the signature errors of this package, or
// what ParseRelease returns.
func (k *Keyring) VerifyInRelease(data []byte, now time.Time) (*Release, []Signer, error) {
	message, err := splitClearsigned(data)
	if err != nil {
		return nil, nil, fmt.Errorf("verifying InRelease: %w", err)
	}
	check := checker{keyring: k, signed: message.canonical(), kind: packet.SigTypeText, hashes: message.hashes, now: now}
	signers, err := check.all(message.signatures)
	if err != nil {
		return nil, nil, fmt.Errorf("verifying InRelease: %w", err)
	}
	release, err := ParseRelease("InRelease", message.text)
	if err != nil {
		return nil, nil, withSigners(err, signers)
	}
	return release, signers, nil
}

// VerifyRelease is VerifyInRelease for a Release file and its detached
// signature, Release.gpg, binary or armoured.
func (k *Keyring) VerifyRelease(release, signature []byte, now time.Time) (*Release, []Signer, error) {
	signers, err := k.verifyDetached(release, signature, checker{now: now})
	if err != nil {
		return nil, nil, fmt.Errorf("verifying Release: %w", err)
	}
	parsed, err := ParseRelease("Release", release)
	if err != nil {
		return nil, nil, withSigners(err, signers)
	}
	return parsed, signers, nil
}

// VerifyDetached checks a detached signature, binary or armoured, over the bytes
// of any document, by the rules of VerifyInRelease, but for one: a key that has
// been retired or replaced since is good for what it signed before, as people's
// keys are. It may also be over a text, whose lines may end in any way, or of
// version 3; what uses MD5 is as weak as what uses SHA-1. Both may have up to 16 MiB and 1 MiB.
func (k *Keyring) VerifyDetached(data, signature []byte, now time.Time) ([]Signer, error) {
	return k.verifyDetached(data, signature, checker{now: now, dated: true})
}

func (k *Keyring) verifyDetached(data, signature []byte, check checker) ([]Signer, error) {
	if len(data) > maxRelease || len(signature) > maxSignature {
		return nil, ErrTooBig
	}
	packets, err := detached(signature)
	if err != nil {
		return nil, fmt.Errorf("reading the signature: %w", err)
	}
	check.keyring, check.signed, check.kind = k, data, packet.SigTypeBinary
	return check.all(packets)
}

// detached returns the packets of a signature file.
func detached(signature []byte) ([]byte, error) {
	if len(signature) > 0 && signature[0]&0x80 != 0 {
		return signature, nil
	}
	body, rest, err := dearmor(signature, beginSignature, endSignature)
	for err == nil && len(rest) > 0 { // old archives publish one armoured signature after the other
		var more []byte
		more, rest, err = dearmor(rest, beginSignature, endSignature)
		body = append(body, more...)
	}
	return body, err
}

// checker checks the signatures over one text.
type checker struct {
	keyring *Keyring
	signed  []byte
	kind    packet.SignatureType
	hashes  map[string]bool // those that a Hash header announces; nil: any
	dated   bool            // a signature is from the day that it says, whatever became of its key
	now     time.Time
}

// all checks a sequence of signature packets.
func (c *checker) all(packets []byte) ([]Signer, error) {
	var signers []Signer
	var worthless []error // signatures of known keys that are not accepted
	var strangers []string
	count := 0
	for len(packets) > 0 {
		p, rest, err := cutPacket(packets)
		if err != nil {
			return nil, fmt.Errorf("reading signatures: %w", err)
		}
		if count++; p.tag != tagSignature || count > maxSignatures {
			return nil, fmt.Errorf("reading signatures: want at most %d signatures and nothing else", maxSignatures)
		}
		packets = rest
		parsed, ok, err := p.parse()
		if err != nil {
			return nil, fmt.Errorf("reading signatures: %w", err)
		}
		sig, isSig := parsed.(*packet.Signature)
		if v := p.body(); len(v) > 0 && v[0] != 3 && v[0] != 4 && v[0] != 6 {
			return nil, fmt.Errorf("reading signatures: version %d is nobody's", v[0])
		}
		if c.dated && !isSig {
			old, void := readDated(p)
			if void && len(c.keyring.issuers(old)) > 0 {
				worthless = append(worthless, fmt.Errorf("%w: it uses MD5 or RIPEMD (key %s)", ErrWeakSignature, issuerName(old)))
				continue
			}
			if old != nil && !void {
				sig, ok, isSig = old, true, true
			}
		}
		var signer Signer
		if !ok || !isSig || sig.Version != 4 {
			keys := c.keyring.version3(p)
			if len(keys) == 0 {
				strangers = append(strangers, "of an unknown kind")
				continue
			}
			signer, err = c.old(p, keys)
		} else {
			keys := c.keyring.issuers(sig)
			if len(keys) == 0 {
				strangers = append(strangers, issuerName(sig))
				continue
			}
			signer, err = c.one(sig, keys)
		}
		switch {
		case errors.Is(err, ErrWeakSignature) || errors.Is(err, ErrExpiredKey):
			worthless = append(worthless, err)
		case err != nil:
			return nil, err
		default:
			signers = append(signers, signer)
		}
	}
	switch {
	case len(signers) > 0:
		signers = strongest(signers)
		slices.SortFunc(signers, func(a, b Signer) int {
			if d := strings.Compare(a.KeyFingerprint, b.KeyFingerprint); d != 0 {
				return d
			}
			return a.Created.Compare(b.Created)
		})
		return signers, nil
	case len(worthless) > 0:
		return nil, errors.Join(worthless...)
	case count == 0:
		return nil, fmt.Errorf("%w: there is no signature", ErrUnknownSigner)
	}
	return nil, fmt.Errorf("%w: it is signed by %s", ErrUnknownSigner, strings.Join(strangers, ", "))
}

// one checks one signature that claims to be by one of keys, of which there are
// several only if two keys share an ID.
func (c *checker) one(sig *packet.Signature, keys []*signingKey) (Signer, error) {
	signed := c.signed
	text := c.dated && sig.SigType == packet.SigTypeText
	if text {
		signed = canonicalText(signed)
	}
	if sig.SigType != c.kind && !text || hasCriticalNotation(sig) {
		return Signer{}, fmt.Errorf("%w: it is of type %#x (key %s)", ErrUnusableSignature, int(sig.SigType), keys[0].fingerprint)
	}
	name, strong := strongHash(sig.Hash)
	if !strong && sig.Hash != crypto.SHA1 { // which is judged once it has proved right
		return Signer{}, fmt.Errorf("%w: it uses %v (key %s)", ErrUnusableSignature, sig.Hash, keys[0].fingerprint)
	}
	if c.hashes != nil && !c.hashes[name] {
		return Signer{}, fmt.Errorf("%w: it uses %s, which no Hash header announces (key %s)", ErrUnusableSignature, name, keys[0].fingerprint)
	}
	if sig.CreationTime.After(c.now.Add(clockSkew)) {
		return Signer{}, fmt.Errorf("%w: it was made %s (key %s)", ErrFutureSignature, sig.CreationTime.UTC().Format(time.RFC3339), keys[0].fingerprint)
	}
	if sig.SigExpired(c.now) {
		return Signer{}, fmt.Errorf("%w (key %s)", ErrExpiredSignature, keys[0].fingerprint)
	}
	err := fmt.Errorf("%w (key %s)", ErrBadSignature, keys[0].fingerprint)
	for _, key := range keys {
		if _, hashErr := sig.PrepareVerify(); hashErr != nil {
			return Signer{}, fmt.Errorf("%w: %w", ErrUnusableSignature, hashErr)
		}
		h := newHash(sig.Hash)
		h.Write(signed)
		if key.pk.VerifySignature(h, sig) != nil {
			continue
		}
		weak := c.keyring.weak && (!strong || strongKey(key.pk) != nil)
		if err = key.mayMake(sig.CreationTime, c.dated, weak); err == nil && !strong && !weak {
			err = fmt.Errorf("%w: it uses %s (key %s)", ErrWeakSignature, name, key.fingerprint)
		}
		if err == nil && collided(h) {
			err = fmt.Errorf("%w: %w (key %s)", ErrUnusableSignature, errCollision, key.fingerprint)
		}
		if err == nil {
			return c.signer(key, sig.CreationTime, weak), nil
		}
	}
	return Signer{}, err
}

// signer is a key that has signed.
func (c *checker) signer(key *signingKey, created time.Time, weak bool) Signer {
	return Signer{
		Fingerprint:    key.cert.primary().fingerprint,
		KeyFingerprint: key.fingerprint,
		Created:        created.UTC(),
		Expired:        key.expired(c.now),
		Weak:           weak,
	}
}

// version3 returns the keys that a signature of the old form may be by: key IDs
// are all that such a signature has.
func (k *Keyring) version3(p rawPacket) []*signingKey {
	body := p.body()
	if len(body) < 15 || body[0] != 3 {
		return nil
	}
	return k.ids[binary.BigEndian.Uint64(body[7:])]
}

// issuers returns the keys that a signature may be by.
func (k *Keyring) issuers(sig *packet.Signature) []*signingKey {
	if sig.IssuerFingerprint != nil {
		return k.prints[fingerprint(sig.IssuerFingerprint)]
	}
	if sig.IssuerKeyId != nil {
		return k.ids[*sig.IssuerKeyId]
	}
	return nil
}

// issuerName is what a signature says of its key.
func issuerName(sig *packet.Signature) string {
	switch {
	case sig.IssuerFingerprint != nil:
		return fingerprint(sig.IssuerFingerprint)
	case sig.IssuerKeyId != nil:
		return fmt.Sprintf("%016X", *sig.IssuerKeyId)
	}
	return "a key that it does not name"
}

// hasCriticalNotation: a notation that must be understood, and none is.
func hasCriticalNotation(sig *packet.Signature) bool {
	return slices.ContainsFunc(sig.Notations, func(n *packet.Notation) bool { return n.IsCritical })
}
