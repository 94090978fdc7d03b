package sigs

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"satchel/bundle"
	"satchel/manifest/provenance"
)

// A Signer signs asserts.
type Signer interface {
	// Sign returns the content of the .sig file for doc.
	Sign(ctx context.Context, doc []byte) ([]byte, error)
	// Name tells people which key it is.
	Name() string
}

// An EnvelopeSigner signs provenance, too: an SSH key.
type EnvelopeSigner interface {
	SignEnvelope(ctx context.Context, e *provenance.Envelope, payload []byte) error
}

// SSHSigner signs asserts with an SSH key.
func SSHSigner(s bundle.Signer) Signer { return sshSigner{s} }

type sshSigner struct{ bundle.Signer }

func (s sshSigner) Name() string { return s.Fingerprint() }

func (s sshSigner) Sign(ctx context.Context, doc []byte) ([]byte, error) {
	sig, err := s.Signer.Sign(ctx, Namespace, doc)
	return sig.Armoured, err
}

// OpenPGPSigner signs asserts at the time now with the one secret key of a file
// as gpg --export-secret-keys writes it, armoured or not: detached, binary, with
// SHA-512, as gpg --detach-sign does. passphrase is called once if the key is
// encrypted; nil means that it is not.
func OpenPGPSigner(secret []byte, passphrase func() ([]byte, error), now time.Time) (Signer, error) {
	read := openpgp.ReadKeyRing
	if bytes.HasPrefix(bytes.TrimLeft(secret, " \t\r\n"), []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	keys, err := read(bytes.NewReader(secret))
	if err != nil {
		return nil, fmt.Errorf("reading OpenPGP key: %w", err)
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("reading OpenPGP key: the file holds %d keys; export the one that signs", len(keys))
	}
	today := now.UTC().Format(time.DateOnly)
	if seconds := now.Unix(); seconds < 0 || seconds > math.MaxUint32 { // the library would cut it
		return nil, fmt.Errorf("signing: by this machine's clock it is %s, and no OpenPGP signature can say so: set the clock", today)
	}
	key, ok := keys[0].SigningKey(now)
	if !ok || key.PrivateKey == nil {
		return nil, fmt.Errorf("reading OpenPGP key: it has no secret key that may sign on %s, which it is by this machine's clock (expired, not made yet, revoked, public only, or on a card: for a card let gpg sign)", today)
	}
	if key.PrivateKey.Dummy() {
		return nil, errors.New("reading OpenPGP key: the secret key is not in the file, but on a card or elsewhere: let gpg sign (--key gpg:ID)")
	}
	if key.PrivateKey.Encrypted {
		if passphrase == nil {
			return nil, errors.New("reading OpenPGP key: it is encrypted, and no passphrase was given")
		}
		secret, err := passphrase()
		if err == nil {
			err = key.PrivateKey.Decrypt(secret)
		}
		if err != nil {
			return nil, fmt.Errorf("reading OpenPGP key: %w", err)
		}
	}
	var public bytes.Buffer
	if err := keys[0].Serialize(&public); err != nil {
		return nil, fmt.Errorf("reading OpenPGP key: %w", err)
	}
	own, err := ReadKeys([]KeyFile{{Name: "signing key", Data: public.Bytes()}})
	if err != nil {
		return nil, err
	}
	return &openPGPSigner{entity: keys[0], own: own, now: now}, nil
}

type openPGPSigner struct {
	entity *openpgp.Entity
	own    *Keys
	now    time.Time
}

func (s *openPGPSigner) Name() string { return fmt.Sprintf("%X", s.entity.PrimaryKey.Fingerprint) }

// Sign also verifies what it made by the rules of those who will compare.
func (s *openPGPSigner) Sign(ctx context.Context, doc []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	config := &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return s.now }}
	if err := openpgp.DetachSign(&out, s.entity, bytes.NewReader(doc), config); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", s.Name(), err)
	}
	if err := s.own.Confirm(doc, out.Bytes(), s.now); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", s.Name(), err)
	}
	return out.Bytes(), nil
}

// armour writes a binary signature as text.
func armour(sig []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.SignatureType, nil)
	if err == nil {
		_, err = w.Write(sig)
	}
	if err == nil {
		err = w.Close()
	}
	return append(out.Bytes(), '\n'), err
}

// Confirm is an error unless the signature over doc counts.
func (k *Keys) Confirm(doc, sig []byte, now time.Time) error {
	if s := k.Check(doc, sig, now); !s.Status.Counts() {
		return fmt.Errorf("nobody would accept the signature: it is %s: %s", s.Status, s.Note)
	}
	return nil
}
