// Package compare answers the question that builders build for: did they get the
// same, and if not, why?
//
// It is given statements (a result, an assert, or a list of sums, each with who
// says so and what became of its signature) and groups them into camps of
// equal outputs. What is compared is what documents mean, never their bytes.
//
//	A camp of builders who share the first camp's inputs and have other outputs
//	differs. Its cause is looked for in this order: other packages, another
//	environment, the build itself.
//
//	A camp whose sources, files or descriptor are others is not comparable.
//
// Everything is sorted: camps by how many good signatures they have, by size,
// by their first signer; signers by name; outputs by path as bytes.
package compare

import (
	"time"

	"satchel/manifest"
)

// A Statement is what one builder says of one build.
type Statement struct {
	Signer    string           // the folder of a gitian.sigs tree; a file's path elsewhere
	File      string           // for messages
	Result    *manifest.Result // nil if it could not be read
	Problem   string           // why it could not be read
	Signature Signature
	// Environments are the digests of the build's environments by target, where
	// provenance tells them.
	Environments map[string]manifest.Digest
}

// inputsKnown: a list of sums names outputs alone.
func (s *Statement) inputsKnown() bool { return !s.Result.In.Descriptor.SHA256.IsZero() }

// Signature is what became of a statement's signature.
type Signature struct {
	Status  Status    `json:"status"`
	Key     string    `json:"key,omitempty"`    // the primary key's fingerprint, or SSH's SHA256:…
	Owner   string    `json:"owner,omitempty"`  // whose key the keyring says it is
	Created time.Time `json:"created,omitzero"` // as an OpenPGP signature says; UTC
	Note    string    `json:"note,omitempty"`   // why it is not good, or what is odd about it
}

// Status is the fate of a signature.
type Status string

// What can become of a signature. Only Good and Old count.
const (
	Good       Status = "good"
	Old        Status = "good, old"         // made while the key was valid, which has expired since
	Bad        Status = "bad"               // a known key signed something else
	UnknownKey Status = "unknown key"       // not in the keyring
	ExpiredKey Status = "expired key"       // the key had expired when it signed
	RevokedKey Status = "revoked key"       //
	Expired    Status = "expired signature" // it has a time limit of its own
	Future     Status = "from the future"   // by this machine's clock
	Weak       Status = "weak"              // SHA-1, DSA, a short key
	Unusable   Status = "unusable"          // of a kind that signs no file, or no signature at all
	Missing    Status = "missing"           //
	Misplaced  Status = "misplaced"         // good, but for another release or name than where it lies
)

// Counts reports whether the signature vouches for the statement.
func (s Status) Counts() bool { return s == Good || s == Old }

// person is whom a good signature counts for: keys of one owner are one.
func (s Signature) person() string {
	if s.Owner != "" {
		return "who " + s.Owner
	}
	return "key " + s.Key
}
