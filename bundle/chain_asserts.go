package bundle

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"satchel/aptmirror"
	"satchel/manifest"
)

// AssertNamespace is the SSHSIG namespace of asserts' signatures, the -n of
// ssh-keygen -Y. A signature for anything else does not count.
const AssertNamespace = "satchel-assert"

// Bounds of an assert, and of what vouches for it, in bytes.
const (
	maxAssert          = 16 << 20
	maxAssertSignature = 1 << 20
)

// AssertReport is what was confirmed of one assert that a lock reproduces.
type AssertReport struct {
	manifest.AssertPin
	// Vouched counts the packages that no archive vouches for, and that this
	// assert lists with their very hashes.
	Vouched int `json:"vouched"`
}

// asserts checks that the asserts of the lock are of what it builds, are signed
// by whom it says, and list each package that they are to vouch for.
func (c *chain) asserts() error {
	first := map[string]*manifest.Result{}
	for _, a := range c.lock.Asserts {
		r, err := c.assert(a)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		report := AssertReport{AssertPin: a, Vouched: c.vouched(a.Descriptor, r, first[a.Descriptor] == nil)}
		if first[a.Descriptor] == nil {
			first[a.Descriptor] = r
		}
		c.assertReports = append(c.assertReports, report)
	}
	return nil
}

// assert reads one, and checks its signature and what it is of. It is nil when it
// is not that, and the faults say why.
func (c *chain) assert(a manifest.AssertPin) (*manifest.Result, error) {
	if a.Size > maxAssert {
		c.fault("%s has %d bytes, more than anything honest", a.Label(), a.Size)
		return nil, nil
	}
	text, err := c.read(a.Label(), a.Blob)
	if err != nil {
		return nil, err
	}
	r, err := manifest.ParseResult(a.Label(), text)
	if err != nil {
		c.fault("%v", err)
		return nil, nil
	}
	if a.SignedBy != "" {
		if err := c.assertSignature(a, text); err != nil {
			c.fault("%s: %v", a.Label(), err)
			return nil, nil
		}
	}
	if why := c.sameInputs(a, r); why != "" {
		c.fault("%s: %s", a.Label(), why)
		return nil, nil
	}
	return r, nil
}

// assertSignature checks it as it was checked when the lock was made, at the time
// that it gives itself: archived builds live on, and keys expire.
func (c *chain) assertSignature(a manifest.AssertPin, text []byte) error {
	if a.Signature.Size > maxAssertSignature || a.Keyring != nil && a.Keyring.Size > maxKeyring {
		return errors.New("its signature or its keyring has more bytes than anything honest")
	}
	sig, err := c.read("its signature", *a.Signature)
	if err != nil {
		return err
	}
	if a.Keyring == nil {
		key, err := Signature{Armoured: sig}.Check(AssertNamespace, text)
		if err == nil && ssh.FingerprintSHA256(key) != a.SignedBy {
			err = fmt.Errorf("it is signed by %s", ssh.FingerprintSHA256(key))
		}
		return err
	}
	keys, err := c.read("its keyring", *a.Keyring)
	if err != nil {
		return err
	}
	ring, err := aptmirror.ReadKeyring(a.Label(), keys)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, a.Signed)
	if err != nil {
		return err
	}
	by, err := ring.VerifyDetached(text, sig, at)
	if err == nil && !slices.ContainsFunc(by, func(s aptmirror.Signer) bool { return s.Fingerprint == a.SignedBy && s.Created.Equal(at) }) {
		err = errors.New("it is not signed by that key at the time that the lock says")
	}
	return err
}

// sameInputs says why an assert is of something else than what the lock builds.
func (c *chain) sameInputs(a manifest.AssertPin, r *manifest.Result) string {
	i := slices.IndexFunc(c.lock.Descriptors, func(d manifest.DescriptorPin) bool { return d.Name == a.Descriptor })
	d := c.lock.Descriptors[i]
	switch {
	case r.Name != a.Descriptor:
		return fmt.Sprintf("it is of %q", r.Name)
	case r.Release != a.Release:
		return fmt.Sprintf("it is of release %q", r.Release)
	case r.In.Descriptor.SHA256 != d.SHA256:
		return "it is of another descriptor"
	}
	for _, s := range d.Sources {
		if !slices.Contains(r.In.Git, manifest.GitCommit{Commit: s.Commit, Dir: s.Dir}) {
			return fmt.Sprintf("it does not name commit %s of %s", s.Commit, s.Dir)
		}
	}
	for _, f := range d.Files {
		if !slices.Contains(r.In.Files, manifest.FileSum{SHA256: f.SHA256, Path: f.Name}) {
			return fmt.Sprintf("it does not name the file %s with sha256 %s", f.Name, f.SHA256.Hex())
		}
	}
	return ""
}

// vouched counts the packages that an assert has to vouch for, and that it lists.
// Where one must, each that it does not list is a fault.
func (c *chain) vouched(descriptor string, r *manifest.Result, must bool) int {
	n := 0
	for _, t := range c.lock.Targets {
		if t.Descriptor != descriptor {
			continue
		}
		debs, _, err := r.Debs(t.Suite+"-"+t.Architecture, aptmirror.CompareVersions)
		if err != nil && must {
			c.fault("the assert of %s: %v", descriptor, err)
		}
		listed := map[manifest.DebSum]bool{}
		for _, d := range debs {
			listed[d] = true
		}
		for _, p := range t.Packages {
			switch {
			case p.Vouched == "":
			case listed[manifest.DebSum{Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256}]:
				n++
			case must:
				c.fault("the assert of %s does not list %s %s %s with sha256 %s, and no index is said to", descriptor, p.Name, p.Version, p.Architecture, p.SHA256.Hex())
			}
		}
	}
	return n
}
