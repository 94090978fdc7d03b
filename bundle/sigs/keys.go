package sigs

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"satchel/aptmirror"
	"satchel/bundle"
)

// Keys are the public keys of those who may sign: OpenPGP and SSH keys together.
// The nil *Keys knows nobody.
type Keys struct {
	pgp    *aptmirror.Keyring
	owners map[string]string // of OpenPGP keys, by fingerprint of the primary key
	ssh    *bundle.Signers
}

// KeyFile is a file of keys. Owner is whose keys they are, where the file's name
// says it: builder-keys/alice.gpg.
type KeyFile struct {
	Name  string
	Owner string
	Data  []byte
}

// OwnerOf is the owner that a key file's name in a folder of keys says.
func OwnerOf(name string) string {
	base := path.Base(name)
	return strings.TrimSuffix(base, path.Ext(base))
}

// ReadKeys reads OpenPGP keyrings (binary or armoured), SSH allowed_signers files
// and .pub lines. A file that holds no key is an error: nothing is skipped.
func ReadKeys(files []KeyFile) (*Keys, error) {
	k := &Keys{owners: map[string]string{}}
	var rings []*aptmirror.Keyring
	var lines []byte
	for _, f := range files {
		if !isOpenPGP(f.Data) {
			if _, err := bundle.ParseSigners(f.Name, f.Data); err != nil {
				return nil, err
			}
			lines = append(append(lines, owned(f)...), '\n')
			continue
		}
		ring, err := aptmirror.ReadKeyring(f.Name, f.Data)
		if err != nil {
			return nil, err
		}
		for _, print := range ring.Fingerprints() {
			if old, ok := k.owners[print]; ok && old != f.Owner && f.Owner != "" && old != "" {
				return nil, fmt.Errorf("reading keyring %s: its key %s is also that of %q: one key, one signer", f.Name, print, old)
			}
			if f.Owner != "" || k.owners[print] == "" {
				k.owners[print] = f.Owner
			}
		}
		rings = append(rings, ring)
	}
	if len(files) == 0 {
		return nil, errors.New("reading keys: there is no file of keys")
	}
	var err error
	if len(rings) > 0 {
		if k.pgp, err = aptmirror.JoinKeyrings(rings...); err != nil {
			return nil, err
		}
	}
	if len(lines) > 0 {
		k.ssh, err = bundle.ParseSigners("keyring", lines)
	}
	return k, err
}

// OpenPGP returns the public key with a primary fingerprint, as the keyring has it.
func (k *Keys) OpenPGP(fingerprint string) ([]byte, error) {
	if k == nil || k.pgp == nil {
		return nil, errors.New("choosing keys: there is no OpenPGP key")
	}
	return k.pgp.Subset([]string{fingerprint})
}

// isOpenPGP tells the two kinds of key files apart.
func isOpenPGP(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0]&0x80 != 0 || bytes.HasPrefix(trimmed, []byte("-----BEGIN PGP")) || len(data) >= 12 && string(data[8:12]) == "KBXf"
}

// owned puts the owner before .pub lines that name none.
func owned(f KeyFile) []byte {
	if f.Owner == "" || strings.ContainsAny(f.Owner, " \t\",*?!#") {
		return f.Data
	}
	var out []byte
	for line := range bytes.Lines(f.Data) {
		if first, _, ok := bytes.Cut(line, []byte(" ")); ok && (bytes.HasPrefix(first, []byte("ssh-")) || bytes.HasPrefix(first, []byte("ecdsa-")) || bytes.HasPrefix(first, []byte("sk-"))) {
			out = append(append(out, f.Owner...), ' ')
		}
		out = append(out, line...)
	}
	return out
}
