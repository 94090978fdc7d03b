package bundle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/manifest"
)

const (
	maxKeyring = 16 << 20 // bytes, of an archive's keyring
	maxRelease = 32 << 20 // bytes, of InRelease, Release or Release.gpg
	// signingDelay is how long after its Date a Release may have been signed:
	// release managers sign a point release by hand, hours later. Offline there
	// is no clock to ask, so the keys are judged at the Date and this much.
	signingDelay = 7 * 24 * time.Hour
)

// ArchiveReport is what was confirmed of one archive of the lock.
type ArchiveReport struct {
	Archive  string    `json:"archive"`  // ArchivePin.ID
	Date     time.Time `json:"date"`     // of its Release, UTC
	SignedBy []string  `json:"signedBy"` // fingerprints of primary keys
	Packages int       `json:"packages"` // pins that its indexes confirm
	Files    int       `json:"files"`    // files of source packages, likewise
	// Waived is what whoever locked did without; nobody can check that now.
	Waived []manifest.Waiver `json:"waived,omitempty"`
}

// chain follows, for every archive of a lock, what the archive itself has
// signed: keyring → Release → indexes → packages and source files. It trusts
// nothing that the lock says of them, and reads everything from the blobs.
type chain struct {
	lock *manifest.Lock
	open func(manifest.Blob) (io.ReadCloser, error) // each read to the end before it is used, or checked before
	keys *aptmirror.Keyring                         // Policy.ArchiveKeys

	mu            sync.Mutex
	faults        []string
	reports       []ArchiveReport
	assertReports []AssertReport
	pins          []*archivePins // as lock.Archives
}

// fault notes something that is not confirmed.
func (c *chain) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// run follows the chain of every archive. What is not confirmed goes to
// faults, sorted; the error is one of ctx or of reading.
func (c *chain) run(ctx context.Context) error {
	c.pins = collectPins(c.lock)
	c.reports = make([]ArchiveReport, len(c.lock.Archives))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, a := range c.lock.Archives {
		release, err := c.release(i, a)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if release == nil {
			continue
		}
		for _, index := range a.Indexes {
			if release.Files[index.Path] != index.Blob {
				c.fault("%s: its Release does not list %s with the hash and size of the lock", a.ID(), index.Path)
				continue
			}
			g.Go(func() error { return c.index(gctx, i, release, index) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.unconfirmed()
	if err := c.asserts(); err != nil {
		return err
	}
	if err := c.images(ctx); err != nil {
		return err
	}
	if err := c.packs(ctx); err != nil {
		return err
	}
	slices.Sort(c.faults)
	return nil
}

// release verifies the signatures of an archive's Release, with the keyring of
// the bundle and then with the caller's. It is nil when that is not possible.
func (c *chain) release(i int, a manifest.ArchivePin) (*aptmirror.Release, error) {
	date, err := time.Parse(time.RFC3339, a.Date)
	if err != nil {
		return nil, fmt.Errorf("reading date of archive %s: %w", a.ID(), err)
	}
	files, err := c.small(a)
	if err != nil || files == nil {
		return nil, err
	}
	keyring, err := aptmirror.ReadKeyring(a.ID(), files[0])
	if err != nil {
		c.fault("%s: %v", a.ID(), err)
		return nil, nil
	}
	moment := date.Add(signingDelay)
	release, signers, err := verifyRelease(rules(a, keyring), files[1:], moment)
	if weak := waived(a, err); weak != nil {
		release, signers, err = weak.Release, weak.Signers, c.strengthen(a, weak)
	}
	if err != nil {
		c.fault("%s: %v", a.ID(), err)
		return nil, nil
	}
	signed := fingerprints(signers)
	if !slices.Equal(signed, a.SignedBy) {
		c.fault("%s: signed by %s, the lock says %s", a.ID(), strings.Join(signed, " "), strings.Join(a.SignedBy, " "))
	}
	if !release.Date.Equal(date) {
		c.fault("%s: its Release is of %s, the lock says %s", a.ID(), release.Date.UTC().Format(time.RFC3339), a.Date)
	}
	if c.keys != nil {
		if _, _, err := verifyRelease(rules(a, c.keys), files[1:], moment); err != nil && waived(a, err) == nil {
			c.fault("%s: by the archive keys that were given: %v", a.ID(), err)
		}
	}
	c.reports[i] = ArchiveReport{Archive: a.ID(), Date: release.Date.UTC(), SignedBy: signed, Waived: a.Waived}
	return release, nil
}

// small reads the keyring and the Release files of an archive into memory.
func (c *chain) small(a manifest.ArchivePin) ([][]byte, error) {
	list := append([]manifest.ArchiveFile{{Path: "keyring", Blob: a.Keyring}}, a.Release...)
	var out [][]byte
	for i, f := range list {
		if limit := int64(maxRelease); f.Size > limit || i == 0 && f.Size > maxKeyring {
			c.fault("%s: its %s has %d bytes, more than anything honest", a.ID(), f.Path, f.Size)
			return nil, nil
		}
		b, err := c.read(f.Path+" of "+a.ID(), f.Blob)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// verifyRelease takes [InRelease], or [Release, Release.gpg].
func verifyRelease(k *aptmirror.Keyring, files [][]byte, moment time.Time) (*aptmirror.Release, []aptmirror.Signer, error) {
	if len(files) == 1 {
		return k.VerifyInRelease(files[0], moment)
	}
	return k.VerifyRelease(files[0], files[1], moment)
}

// fingerprints lists the primary keys, each once, sorted.
func fingerprints(signers []aptmirror.Signer) []string {
	var out []string
	for _, s := range signers {
		out = append(out, s.Fingerprint)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// index reads an index to its end and marks the pins that it confirms. No
// decoder sees a byte of it before its hash has been checked.
func (c *chain) index(ctx context.Context, i int, release *aptmirror.Release, f manifest.ArchiveFile) error {
	id := c.lock.Archives[i].ID()
	if err := c.checked(f.Blob); err != nil {
		return fmt.Errorf("reading %s of %s: %w", f.Path, id, err)
	}
	rc, err := c.open(f.Blob)
	if err != nil {
		return fmt.Errorf("reading %s of %s: %w", f.Path, id, err)
	}
	defer rc.Close()
	z, err := aptmirror.Decompress(f.Path, bufio.NewReaderSize(&cancelled{ctx, rc}, copySize/4))
	if err != nil {
		c.fault("%s: %v", id, err)
		return nil
	}
	defer z.Close()
	var plain io.Reader = z
	if b, ok := release.Plain(f.Path); ok {
		plain = b.Verify(z)
	}
	pins := c.pins[i]
	take := pins.packageStanza
	if strings.HasPrefix(path.Base(f.Path), "Sources") {
		take = pins.sourceStanza
	}
	stanzas := aptmirror.NewStanzas(id+" "+f.Path, plain)
	for {
		s, err := stanzas.Next()
		if err == io.EOF {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			c.fault("%s: %v", id, err)
			return nil
		}
		if err := take(s); err != nil {
			c.fault("%s: %s:%d: %v", id, f.Path, s.Line, err)
		}
	}
}

func (c *chain) checked(b manifest.Blob) error {
	rc, err := c.open(b)
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{rc}, make([]byte, copySize))
	return err
}

// cancelled ends a read when ctx does.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// unconfirmed makes the faults of what no index has listed, and counts the rest.
func (c *chain) unconfirmed() {
	installed := map[string]bool{} // by what an image has, over all archives
	for i, p := range c.pins {
		id := c.lock.Archives[i].ID()
		r := &c.reports[i]
		if r.Archive == "" { // its Release is not sound: that says enough
			for what := range p.installed {
				installed[what] = true
			}
			continue
		}
		for name, pin := range p.debs {
			if pin.confirmed {
				r.Packages++
			} else {
				c.fault("%s: no index lists %s as the lock pins it (%s)", id, name, pin.what())
			}
		}
		for name, pin := range p.files {
			if pin.confirmed {
				r.Files++
			} else {
				c.fault("%s: no index of sources lists %s as the lock pins it (%s)", id, name, pin.blob.SHA256.Hex())
			}
		}
		for what, ok := range p.installed {
			installed[what] = installed[what] || ok
		}
	}
	for what, ok := range installed {
		if !ok {
			c.fault("no index lists the installed package %s", what)
		}
	}
	c.reports = slices.DeleteFunc(c.reports, func(r ArchiveReport) bool { return r.Archive == "" })
}
