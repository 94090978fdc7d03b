package sigs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"satchel/aptmirror"
	"satchel/bundle"
	"satchel/manifest/compare"
)

// Namespace is bundle.AssertNamespace.
const Namespace = bundle.AssertNamespace

// maxSignature bounds a signature file, in bytes.
const maxSignature = 1 << 20

// Check says what became of a signature over doc at the time now. An empty
// signature is missing.
func (k *Keys) Check(doc, sig []byte, now time.Time) compare.Signature {
	switch {
	case len(sig) == 0:
		return compare.Signature{Status: compare.Missing}
	case bytes.HasPrefix(sig, []byte("-----BEGIN SSH")):
		return k.checkSSH(doc, sig, now)
	}
	return k.checkOpenPGP(doc, sig, now)
}

func (k *Keys) checkOpenPGP(doc, sig []byte, now time.Time) compare.Signature {
	if k == nil || k.pgp == nil {
		return compare.Signature{Status: compare.UnknownKey}
	}
	by, err := k.pgp.VerifyDetached(doc, sig, now)
	if err != nil {
		out := compare.Signature{Status: openPGPStatus(err), Note: err.Error()}
		if who, ok := strings.CutPrefix(out.Note, aptmirror.ErrUnknownSigner.Error()+": it is signed by "); ok {
			out.Key, out.Note = who, ""
		}
		return out
	}
	// One file, one signer: of several good signatures the first that is not old.
	s := by[0]
	for _, other := range by {
		if s.Expired && !other.Expired {
			s = other
		}
	}
	out := compare.Signature{Status: compare.Good, Key: s.Fingerprint, Owner: k.owners[s.Fingerprint], Created: s.Created}
	if s.Expired {
		out.Status, out.Note = compare.Old, "its key has expired since it signed on "+s.Created.Format(time.DateOnly)
	}
	return out
}

// openPGPStatus says which of the reasons an error is about.
func openPGPStatus(err error) compare.Status {
	for _, r := range []struct {
		err    error
		status compare.Status
	}{
		{aptmirror.ErrBadSignature, compare.Bad},
		{aptmirror.ErrRevokedKey, compare.RevokedKey},
		{aptmirror.ErrExpiredKey, compare.ExpiredKey},
		{aptmirror.ErrFutureSignature, compare.Future},
		{aptmirror.ErrExpiredSignature, compare.Expired},
		{aptmirror.ErrWeakSignature, compare.Weak},
		{aptmirror.ErrUnknownSigner, compare.UnknownKey},
	} {
		if errors.Is(err, r.err) {
			return r.status
		}
	}
	return compare.Unusable
}

func (k *Keys) checkSSH(doc, sig []byte, now time.Time) compare.Signature {
	key, err := bundle.Signature{Armoured: sig}.Check(Namespace, doc)
	if err != nil {
		return compare.Signature{Status: compare.Bad, Note: err.Error()}
	}
	out := compare.Signature{Key: ssh.FingerprintSHA256(key)}
	if k == nil {
		out.Status = compare.UnknownKey
		return out
	}
	who, known, why := k.ssh.Match(key, Namespace, now)
	out.Note = why
	switch {
	case why == "":
		out.Status, out.Owner = compare.Good, strings.Join(who, ",")
	case !known:
		out.Status, out.Note = compare.UnknownKey, ""
	case strings.Contains(why, "not valid any more"):
		out.Status = compare.ExpiredKey
	default:
		out.Status = compare.Unusable
	}
	return out
}

// place notes a good signature of a statement that lies where it does not belong:
// an assert of one release must not pass for another's.
func place(s *compare.Statement, release, name string) {
	r := s.Result
	if r == nil || !s.Signature.Status.Counts() {
		return
	}
	var why string
	switch {
	case r.Release != "" && release != "" && r.Release != release:
		why = fmt.Sprintf("it is an assert of release %q", r.Release)
	case r.Release != "" && name != "" && r.Name != name:
		why = fmt.Sprintf("it is an assert of %q", r.Name)
	default:
		return
	}
	s.Signature.Status, s.Signature.Note = compare.Misplaced, why+", and lies under another"
}
