package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"satchel/manifest/provenance"
)

// A Signer signs documents with an SSH key.
type Signer interface {
	// Sign signs the exact bytes of doc, for the purpose that the namespace
	// names: SignatureNamespace for an artifact manifest.
	Sign(ctx context.Context, namespace string, doc []byte) (Signature, error)
	// SignEnvelope adds to a DSSE envelope a signature over its payload.
	SignEnvelope(ctx context.Context, e *provenance.Envelope, payload []byte) error
	// Fingerprint names the key, "SHA256:…" as ssh-keygen -l prints it.
	Fingerprint() string
}

// SSHSigner is a Signer with an SSH private key in any form that OpenSSH
// writes. passphrase is called once if the key is encrypted; nil means that it
// is not. A key that lives in hardware has no private half in its file: use
// AgentSigner.
func SSHSigner(keyPEM []byte, passphrase func() ([]byte, error)) (Signer, error) {
	key, err := ssh.ParsePrivateKey(keyPEM)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if passphrase == nil {
			return nil, errors.New("reading signing key: it is encrypted, and no passphrase was given")
		}
		secret, err := passphrase()
		if err != nil {
			return nil, fmt.Errorf("reading signing key: %w", err)
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(keyPEM, secret); err != nil {
			return nil, fmt.Errorf("reading signing key: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("reading signing key: %w (for a key in an agent or in hardware give its .pub file)", err)
	}
	return newSSHSigner(key)
}

// AgentSigner is a Signer with a key that an ssh-agent holds. conn is a
// connection to the agent, pub the key's .pub line. conn must outlive the
// signer, and is used by one Sign at a time.
func AgentSigner(conn io.ReadWriter, pub []byte) (Signer, error) {
	want, err := parsePublic(pub)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	// Without Close the client keeps to one request, one answer, and starts no
	// goroutine that would read what is meant for the connection's next user.
	plain := struct {
		io.Reader
		io.Writer
	}{conn, conn}
	keys, err := agent.NewClient(plain).Signers()
	if err != nil {
		return nil, fmt.Errorf("asking the ssh-agent for its keys: %w", err)
	}
	for _, k := range keys {
		if bytes.Equal(k.PublicKey().Marshal(), want.Marshal()) {
			return newSSHSigner(k)
		}
	}
	return nil, fmt.Errorf("asking the ssh-agent for key %s: it holds %d keys, and not this one (ssh-add it)",
		ssh.FingerprintSHA256(want), len(keys))
}

type sshSigner struct{ key ssh.Signer }

func newSSHSigner(key ssh.Signer) (Signer, error) {
	pub, err := ssh.ParsePublicKey(key.PublicKey().Marshal()) // an agent's own type hides the key's
	if err == nil {
		err = checkKey(pub)
	}
	if err != nil {
		return nil, fmt.Errorf("reading signing key: %w", err)
	}
	return sshSigner{key}, nil
}

func (s sshSigner) Fingerprint() string { return ssh.FingerprintSHA256(s.key.PublicKey()) }

// Sign also verifies what it made, so that a faulty agent or token is noticed
// here and not on the other side of the gap.
func (s sshSigner) Sign(ctx context.Context, namespace string, doc []byte) (Signature, error) {
	if err := ctx.Err(); err != nil {
		return Signature{}, err
	}
	sig, err := sshsig.Sign(bytes.NewReader(doc), s.key, sshsig.HashSHA512, namespace)
	if err != nil {
		return Signature{}, fmt.Errorf("signing with %s: %w", s.Fingerprint(), err)
	}
	out := Signature{Armoured: sshsig.Armor(sig)}
	if _, err := out.Check(namespace, doc); err != nil {
		return Signature{}, fmt.Errorf("signing with %s: %w", s.Fingerprint(), err)
	}
	return out, nil
}
