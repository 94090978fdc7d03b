package bundle

import (
	"errors"
	"fmt"
	"slices"

	"satchel/aptmirror"
	"satchel/manifest"
)

// maxWeakIndex bounds an index that is read whole, in bytes; Debian's have 12 MB.
const maxWeakIndex = 256 << 20

// waived is the Release, if it is err that it has only weak hashes, and whoever
// locked has waived better ones.
func waived(a manifest.ArchivePin, err error) *aptmirror.WeakReleaseError {
	var weak *aptmirror.WeakReleaseError
	if errors.As(err, &weak) && slices.Contains(a.Waived, manifest.WaivedHashes) {
		return weak
	}
	return nil
}

// rules are the keys by the rules that whoever locked has kept to.
func rules(a manifest.ArchivePin, k *aptmirror.Keyring) *aptmirror.Keyring {
	if slices.Contains(a.Waived, manifest.WaivedSignatures) {
		return k.Weakly()
	}
	return k
}

// strengthen checks the indexes of an archive by the hashes that there are.
func (c *chain) strengthen(a manifest.ArchivePin, weak *aptmirror.WeakReleaseError) error {
	for _, f := range a.Indexes {
		if f.Size > maxWeakIndex {
			return fmt.Errorf("its %s has %d bytes, more than anything honest", f.Path, f.Size)
		}
		data, err := c.read(f.Path+" of "+a.ID(), f.Blob)
		if err != nil {
			return err
		}
		if err := weak.Strengthen(f.Path, data); err != nil {
			return err
		}
	}
	return nil
}
