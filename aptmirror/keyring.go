package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Limits of a keyring. They bound the work that a hostile one can cause.
const (
	maxCerts    = 1024
	maxSelfSigs = 64 // verified per key and per user ID
	maxSubkeys  = 64
	maxKeyBits  = 16384
)

// A Keyring is a set of OpenPGP public keys of archives. What a key says of
// itself is checked before its first signature is, and never changes. Many
// goroutines may use a keyring.
type Keyring struct {
	certs  map[string]*cert         // by fingerprint of the primary key
	prints map[string][]*signingKey // by fingerprint: primary keys and subkeys
	ids    map[uint64][]*signingKey // by key ID
	usable int                      // keys that have been read, those twice that were there twice
	weak   bool                     // see Weakly
}

func newKeyring() *Keyring {
	return &Keyring{
		certs:  make(map[string]*cert),
		prints: make(map[string][]*signingKey),
		ids:    make(map[uint64][]*signingKey),
	}
}

// ReadKeyring reads a keyring as gpg --export writes it and as
// /usr/share/keyrings holds it: binary, or ASCII-armoured; several may stand
// one after the other. Keys of a kind that is not known are left out; if none
// is left, that is an error. The same key twice is one key: what any copy says
// of it holds. Secret keys and gpg's keybox format are refused. name is for
// errors.
//
// The self-signatures of a key may use SHA-1, as those of old archive keys do:
// a key is trusted because it is in the keyring, and its self-signatures only
// limit what it may do.
func ReadKeyring(name string, data []byte) (*Keyring, error) {
	return ReadKeyrings([]KeyringFile{{name, data}})
}

// KeyringFile is a keyring to be read, and its name for errors.
type KeyringFile struct {
	Name string
	Data []byte
}

// ReadKeyrings is what ReadKeyring and then JoinKeyrings give, in less time: a key
// that several of the keyrings hold in the same bytes is read once, and a machine
// has most of them twice.
func ReadKeyrings(files []KeyringFile) (*Keyring, error) {
	k := newKeyring()
	for _, f := range files {
		if len(f.Data) > maxKeyring {
			return nil, fmt.Errorf("reading keyring %s: more than %d bytes: %w", f.Name, maxKeyring, ErrTooBig)
		}
		if len(f.Data) >= 12 && string(f.Data[8:12]) == "KBXf" {
			return nil, fmt.Errorf("reading keyring %s: it is in gpg's keybox format; export the keys with gpg --export", f.Name)
		}
		usable := k.usable
		if err := k.read(f.Data); err != nil {
			return nil, fmt.Errorf("reading keyring %s: %w", f.Name, err)
		}
		if k.usable == usable {
			return nil, fmt.Errorf("reading keyring %s: it has no key that can be used", f.Name)
		}
	}
	k.index()
	return k, nil
}

// index finds keys by fingerprint and ID.
func (k *Keyring) index() {
	for _, print := range k.Fingerprints() {
		for _, key := range k.certs[print].keys {
			k.prints[key.fingerprint] = append(k.prints[key.fingerprint], key)
			k.ids[key.pk.KeyId] = append(k.ids[key.pk.KeyId], key)
		}
	}
}

// JoinKeyrings returns the keys of all keyrings as one. Of a key that several
// hold, what any copy says holds.
func JoinKeyrings(keyrings ...*Keyring) (*Keyring, error) {
	all := newKeyring()
	copies := map[string][][]byte{} // of keys that are there twice
	for _, k := range keyrings {
		for print, c := range k.certs {
			if old := all.certs[print]; old != nil && old != c {
				if copies[print] == nil {
					copies[print] = slices.Clone(old.raw)
				}
				copies[print] = append(copies[print], c.raw...)
			}
			all.certs[print] = c
		}
	}
	if len(all.certs) > maxCerts {
		return nil, fmt.Errorf("joining keyrings: more than %d keys: %w", maxCerts, ErrTooBig)
	}
	for print, raws := range copies {
		delete(all.certs, print)
		for _, raw := range raws {
			if err := all.readPackets(raw); err != nil {
				return nil, fmt.Errorf("joining keyrings: %w", err)
			}
		}
	}
	all.index()
	return all, nil
}

// read takes the keys of data, armoured or not.
func (k *Keyring) read(data []byte) error {
	if len(data) == 0 {
		return errors.New("it is empty")
	}
	if data[0]&0x80 != 0 {
		return k.readPackets(data)
	}
	for data = bytes.TrimLeft(data, " \t\r\n"); len(data) > 0; data = bytes.TrimLeft(data, " \t\r\n") {
		body, rest, err := dearmor(data, beginKey, endKey)
		if err != nil {
			return err
		}
		if err := k.readPackets(body); err != nil {
			return err
		}
		data = rest
	}
	return nil
}

// readPackets cuts data at each primary key.
func (k *Keyring) readPackets(data []byte) error {
	var packets []rawPacket
	whole := data
	from := 0
	for len(data) > 0 {
		p, rest, err := cutPacket(data)
		if err != nil {
			return err
		}
		switch p.tag {
		case tagPublicKey:
			at := len(whole) - len(data)
			if err := k.add(packets, whole[from:at]); err != nil {
				return err
			}
			packets, from = packets[:0], at
		case tagSecretKey, tagSecretSubkey:
			return errors.New("it has a secret key: export the public keys alone")
		case tagSignature, tagUserID, tagPublicSubkey, tagUserAttribute, tagTrust, tagMarker:
			if len(packets) == 0 {
				return errors.New("it does not start with a public key")
			}
		default:
			return fmt.Errorf("a packet of type %d is not part of a public key", p.tag)
		}
		packets = append(packets, p)
		data = rest
	}
	return k.add(packets, whole[from:])
}

// Fingerprints returns the primary keys' fingerprints, upper-case hexadecimal,
// sorted.
func (k *Keyring) Fingerprints() []string {
	return slices.Sorted(maps.Keys(k.certs))
}

// Subset returns the public keys with these primary fingerprints, binary, each
// exactly as its packets stood in the keyring, sorted by fingerprint and each
// once. So equal keyrings and fingerprints give equal bytes. It is an error if
// the keyring lacks one, or if none is asked for.
func (k *Keyring) Subset(fingerprints []string) ([]byte, error) {
	if len(fingerprints) == 0 {
		return nil, errors.New("choosing keys: no fingerprint is given")
	}
	var out []byte
	for _, print := range slices.Compact(slices.Sorted(slices.Values(fingerprints))) {
		c := k.certs[print]
		if c == nil {
			return nil, fmt.Errorf("choosing keys: no primary key of the keyring has the fingerprint %s", quote(print))
		}
		for _, raw := range c.raw {
			out = append(out, raw...)
		}
	}
	return out, nil
}
