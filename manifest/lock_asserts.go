package manifest

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// A Voucher is who vouches for a package that no index lists.
type Voucher string

// VouchedByAssert: the first assert that the lock has of the target's descriptor.
const VouchedByAssert Voucher = "assert"

// AssertPin is an assert, or a result, that the lock reproduces: the packages of
// its descriptor's targets are the ones that it lists.
type AssertPin struct {
	Descriptor string `yaml:"descriptor" json:"descriptor"` // whose build it is about
	Release    string `yaml:"release,omitempty" json:"release,omitempty"`
	Blob       `yaml:",inline"`
	// SignedBy is the key whose signature was good when the lock was made: the
	// primary key's OpenPGP fingerprint, or an SSH key's "SHA256:…". Without it
	// nobody has asked who signed.
	SignedBy  string `yaml:"signed-by,omitempty" json:"signedBy,omitempty"`
	Signed    string `yaml:"signed,omitempty" json:"signed,omitempty"` // when, as an OpenPGP signature says; RFC 3339, UTC
	Signature *Blob  `yaml:"signature,omitempty" json:"signature,omitempty"`
	Keyring   *Blob  `yaml:"keyring,omitempty" json:"keyring,omitempty"` // the OpenPGP key
}

// Label names an assert for people.
func (a AssertPin) Label() string {
	what := "the assert of " + a.Descriptor
	if a.Release == "" {
		what = "the result of " + a.Descriptor
	} else {
		what += " " + a.Release
	}
	if a.SignedBy == "" {
		return what + ", whose signature nobody has checked"
	}
	return what + " signed by " + a.SignedBy
}

// AssertsOf are the asserts of a descriptor, in the lock's order.
func (l *Lock) AssertsOf(descriptor string) []AssertPin {
	var all []AssertPin
	for _, a := range l.Asserts {
		if a.Descriptor == descriptor {
			all = append(all, a)
		}
	}
	return all
}

// Vouched counts the packages of a descriptor's targets that no index lists.
func (l *Lock) Vouched(descriptor string) int {
	n := 0
	for _, t := range l.Targets {
		for _, p := range t.Packages {
			if t.Descriptor == descriptor && p.Vouched != "" {
				n++
			}
		}
	}
	return n
}

// maxAsserts bounds those of one lock.
const maxAsserts = 256

func (c *lockChecker) asserts(all []AssertPin) {
	if len(all) > maxAsserts {
		c.bad("asserts", "there are %d, the limit is %d", len(all), maxAsserts)
		return
	}
	seen := map[string]bool{}
	for i, a := range all {
		path := fmt.Sprintf("asserts[%d]", i)
		c.twice(path, seen, strings.TrimSpace(a.Descriptor+" "+a.SHA256.Hex()+" "+a.SignedBy))
		if !c.names[a.Descriptor] {
			c.bad(join(path, "descriptor"), "%q is not among the descriptors", shorten(a.Descriptor))
		}
		c.asserted[a.Descriptor] = true
		if a.Release != "" {
			c.check(join(path, "release"), CheckName(a.Release))
		}
		c.blob(path, a.Blob)
		if a.Size > maxResult {
			c.bad(join(path, "size"), "an assert has at most %d bytes", maxResult)
		}
		c.assertSignature(path, a)
	}
}

// assertSignature: who signed stands there with what it takes to check it again,
// or not at all.
func (c *lockChecker) assertSignature(path string, a AssertPin) {
	pgp := (len(a.SignedBy) == 40 || len(a.SignedBy) == 64) && strings.Trim(a.SignedBy, "0123456789ABCDEF") == ""
	switch {
	case a.SignedBy == "":
		if a.Signature != nil || a.Keyring != nil || a.Signed != "" {
			c.bad(path, "signature, keyring and signed stand only beside signed-by")
		}
		return
	case !pgp && !sshFingerprint(a.SignedBy):
		c.bad(join(path, "signed-by"), "%q is no fingerprint", shorten(a.SignedBy))
	case a.Signature == nil || pgp != (a.Keyring != nil) || pgp != (a.Signed != ""):
		c.bad(path, "signed-by needs signature, and for an OpenPGP key, and for it alone, keyring and signed")
		return
	}
	c.blob(join(path, "signature"), *a.Signature)
	if pgp {
		c.blob(join(path, "keyring"), *a.Keyring)
		c.moment(join(path, "signed"), a.Signed)
	}
}

// sshFingerprint reports whether s is "SHA256:…" as ssh-keygen writes it.
func sshFingerprint(s string) bool {
	hash, ok := strings.CutPrefix(s, "SHA256:")
	raw, err := base64.RawStdEncoding.Strict().DecodeString(hash)
	return ok && err == nil && len(raw) == 32
}

// voucher checks a package that no index lists.
func (c *lockChecker) voucher(path string, t Target, p PackagePin) {
	switch {
	case p.Vouched == "":
		c.inArchive(path, p.Archive, p.Path, p.Blob)
		return
	case p.Vouched != VouchedByAssert:
		c.bad(join(path, "vouched"), "%q is unknown; want %s, or nothing for a package that an index lists", shorten(string(p.Vouched)), VouchedByAssert)
	case !c.asserted[t.Descriptor]:
		c.bad(join(path, "vouched"), "the lock has no assert of %q", shorten(t.Descriptor))
	}
	name, suite, _ := strings.Cut(p.Archive, "/")
	c.archiveName(join(path, "archive"), name, suite, "")
	c.check(join(path, "path"), checkPath(p.Path))
	c.archiveFile(path, p.Archive, p.Path, p.Blob)
}
