package source

import (
	"encoding/hex"
	"fmt"
)

// oid is the name of a git object: a SHA-1 sum.
type oid [20]byte

// parseOID reads 40 lower-case hexadecimal digits.
func parseOID(s string) (oid, error) {
	var id oid
	if len(s) != 2*len(id) || !isHex(s) {
		if len(s) == 64 && isHex(s) {
			return id, fmt.Errorf("object name %s: %w", s, ErrSHA256)
		}
		return id, fmt.Errorf("reading object name %.80q: want 40 lower-case hexadecimal digits", s)
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

func (id oid) String() string { return hex.EncodeToString(id[:]) }

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return s != ""
}

// kind is an object's type, numbered as packs do.
type kind byte

const (
	kindCommit kind = 1
	kindTree   kind = 2
	kindBlob   kind = 3
	kindTag    kind = 4
	ofsDelta   kind = 6
)

func parseKind(s string) (kind, error) {
	for _, k := range []kind{kindCommit, kindTree, kindBlob, kindTag} {
		if s == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf("reading object: unknown type %.40q", s)
}

func (k kind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return fmt.Sprintf("type %d", byte(k))
}
