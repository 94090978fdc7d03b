package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"satchel/bundle/sigs"
	"satchel/manifest"
)

// signer finds what signs.
func (c *attestCmd) signer(ctx context.Context) (sigs.Signer, error) {
	if id, ok := strings.CutPrefix(c.Key, "gpg:"); ok || c.Key == "" {
		if c.Key == "" {
			id = c.Signer
		}
		return gpgSigner{program: c.GPG, id: id}, nil
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, fmt.Errorf("reading signing key: %w", err)
	}
	if len(text) > 0 && text[0]&0x80 != 0 || bytes.Contains(text, []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----")) {
		return sigs.OpenPGPSigner(text, func() ([]byte, error) { return askPassphrase(c.Key) }, time.Now())
	}
	s, err := signer(ctx, c.Key)
	if err != nil {
		return nil, fmt.Errorf("reading signing key %s: %w", c.Key, err)
	}
	return sigs.SSHSigner(s), nil
}

// gpgSigner signs with the user's gpg, as gsign does: with its agent, its
// smartcards, its way to ask for a passphrase.
type gpgSigner struct{ program, id string }

func (g gpgSigner) Name() string { return g.id + " (" + g.program + ")" }

// Sign checks what gpg made by our own rules: its settings may ask for SHA-1, or
// its key may have expired.
func (g gpgSigner) Sign(ctx context.Context, doc []byte) ([]byte, error) {
	sig, err := g.run(ctx, doc, "--detach-sign", "--output", "-", "-u", g.id)
	if err != nil {
		return nil, fmt.Errorf("signing with %s as %q: %w (choose a key with --key gpg:ID, or --no-sign)", g.program, g.id, err)
	}
	public, err := g.run(ctx, nil, "--batch", "--export", "--", g.id)
	if err != nil {
		return nil, fmt.Errorf("asking %s for the public key of %q: %w", g.program, g.id, err)
	}
	keys, err := sigs.ReadKeys([]sigs.KeyFile{{Name: "of " + g.id, Data: public}})
	if err == nil {
		err = keys.Confirm(doc, sig, time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("checking what %s signed: %w", g.program, err)
	}
	return sig, nil
}

func (g gpgSigner) run(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, g.program, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	return cmd.Output()
}

// hashFile is the hash of a file.
func hashFile(fsys fs.FS, name string) (manifest.Digest, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return manifest.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return manifest.Digest(h.Sum(nil)), err
}
