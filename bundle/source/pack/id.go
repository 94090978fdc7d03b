package pack

import (
	"encoding/hex"
	"fmt"
)

// ID is the name of a git object: a SHA-1 sum.
type ID [20]byte

// ParseID reads 40 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) || !isHex(s) {
		if len(s) == 64 && isHex(s) {
			return id, fmt.Errorf("object name %s: %w", s, ErrSHA256)
		}
		return id, fmt.Errorf("reading object name %.80q: want 40 lower-case hexadecimal digits", s)
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// String returns 40 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return s != ""
}

// Kind is an object's type, numbered as packs do.
type Kind byte

// The types of object.
const (
	Commit   Kind = 1
	Tree     Kind = 2
	Blob     Kind = 3
	Tag      Kind = 4
	ofsDelta Kind = 6
)

// ParseKind reads "commit", "tree", "blob" or "tag".
func ParseKind(s string) (Kind, error) {
	for _, k := range []Kind{Commit, Tree, Blob, Tag} {
		if s == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf("reading object: unknown type %.40q", s)
}

// String returns git's word for k.
func (k Kind) String() string {
	switch k {
	case Commit:
		return "commit"
	case Tree:
		return "tree"
	case Blob:
		return "blob"
	case Tag:
		return "tag"
	}
	return fmt.Sprintf("type %d", byte(k))
}
