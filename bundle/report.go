package bundle

import (
	"errors"

	"satchel/manifest"
)

// Report is what a verification found, whether it passed or not. Fields that
// it did not come to are empty.
type Report struct {
	Identity   manifest.Digest `json:"identity"`
	Size       int64           `json:"size"`  // bytes that the file must have
	Blobs      int             `json:"blobs"` // that the lock names
	Signatures []SignedBy      `json:"signatures"`
	Trusted    int             `json:"trusted"`   // independent trusted signers
	Threshold  int             `json:"threshold"` // how many it took; 0 for --unsigned
	Faults     []Fault         `json:"faults,omitempty"`
	Missing    []manifest.Blob `json:"missing,omitempty"`
	Archives   []ArchiveReport `json:"archives,omitempty"`
	// Asserts are those that the lock reproduces; some packages may have no other
	// voucher.
	Asserts []AssertReport `json:"asserts,omitempty"`
	// Unconfirmed is what the archives' own signed documents do not say.
	Unconfirmed []string `json:"unconfirmed,omitempty"`
}

// content makes the error of what was found wrong with the bytes.
func (r *Report) content(l *layout) error {
	var errs []error
	names := titles(l.lock)
	if len(r.Faults) > 0 {
		for i := range r.Faults {
			r.Faults[i].Title = names[r.Faults[i].Blob]
		}
		errs = append(errs, &CorruptError{Faults: r.Faults})
	}
	if len(r.Missing) > 0 {
		errs = append(errs, &MissingError{Blobs: r.Missing, titles: names})
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
