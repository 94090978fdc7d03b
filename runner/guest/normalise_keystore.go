//go:build linux

package guest

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unicode/utf16"
)

// keystoreName is where ca-certificates-java has Java find the certificates it trusts.
const keystoreName = "etc/ssl/certs/java/cacerts"

// maxKeystore is how large a list of certificates may be to be looked at, in bytes.
const maxKeystore = 64 << 20

// keystoreDates sets the moment at which each certificate was added to Java's list
// to epoch. A list of another form, or with another password than every such list
// has, stays as it is.
func keystoreDates(t *tree, epoch int64) error {
	where, err := t.locate(keystoreName)
	if err != nil {
		return nil // there is no such folder
	}
	st, err := os.Lstat(t.at(where))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() > maxKeystore {
		return nil
	}
	return t.replace(where, st, func(old []byte) []byte {
		if redated, err := redateKeystore(old, epoch); err == nil {
			return redated
		}
		return old
	})
}

// redateKeystore returns a keystore of form JKS, version 1 or 2, with all its dates
// set to epoch: a head of magic, version and number of entries, the entries, and the
// SHA-1 of a password and all that. Numbers have their highest byte first.
// The form is that of OpenJDK's sun.security.provider.JavaKeyStore, engineLoad.
func redateKeystore(b []byte, epoch int64) ([]byte, error) {
	if len(b) < sha1.Size {
		return nil, errKeystore
	}
	b = bytes.Clone(b)
	body, sum := b[:len(b)-sha1.Size], b[len(b)-sha1.Size:]
	if got := keystoreSum(body); !bytes.Equal(sum, got[:]) {
		return nil, fmt.Errorf("%w: another password, or damaged", errKeystore)
	}
	r := keystore{rest: body}
	magic, version, entries := r.number(4), r.number(4), r.number(4)
	if magic != 0xfeedfeed || version != 1 && version != 2 {
		return nil, errKeystore
	}
	for ; entries > 0 && !r.short; entries-- {
		tag := r.number(4)
		r.take(r.number(2)) // its name
		if date := r.take(8); date != nil {
			binary.BigEndian.PutUint64(date, uint64(epoch*1000))
		}
		certificates := uint64(1)
		if tag == 1 { // a key of one's own, and the certificates for it
			r.take(r.number(4))
			certificates = r.number(4)
		} else if tag != 2 {
			return nil, errKeystore
		}
		for ; certificates > 0 && !r.short; certificates-- {
			if version == 2 {
				r.take(r.number(2)) // "X.509"
			}
			r.take(r.number(4))
		}
	}
	if r.short || len(r.rest) > 0 {
		return nil, errKeystore
	}
	got := keystoreSum(body)
	copy(sum, got[:])
	return b, nil
}

var errKeystore = errors.New("not a keystore that is read here")

// keystorePassword protects every cacerts, and is no secret.
const keystorePassword = "changeit"

func keystoreSum(body []byte) [sha1.Size]byte {
	h := sha1.New()
	for _, c := range utf16.Encode([]rune(keystorePassword)) {
		h.Write([]byte{byte(c >> 8), byte(c)})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(body)
	return [sha1.Size]byte(h.Sum(nil))
}

// keystore is what has not been read of one yet.
type keystore struct {
	rest  []byte
	short bool // more was asked for than there is
}

// take is the next n bytes, which may be written to; nil if there are not so many.
func (k *keystore) take(n uint64) []byte {
	if n > uint64(len(k.rest)) {
		k.short = true
		return nil
	}
	b := k.rest[:n]
	k.rest = k.rest[n:]
	return b
}

// number is the next n bytes, of four at most.
func (k *keystore) number(n uint64) (v uint64) {
	for _, c := range k.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}
