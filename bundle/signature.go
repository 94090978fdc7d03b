package bundle

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Signature is a detached signature over a document, as it is kept in a bundle:
// an armoured SSHSIG (what ssh-keygen -Y sign writes).
type Signature struct{ Armoured []byte }

const (
	armourBegin = "-----BEGIN SSH SIGNATURE-----\n"
	armourEnd   = "-----END SSH SIGNATURE-----\n"
	minRSABits  = 2048
)

// kind is the signature's media type, from its first line.
func (s Signature) kind() (string, error) {
	if len(s.Armoured) > MaxSignatureSize {
		return "", fmt.Errorf("reading signature: it has %d bytes, the limit is %d", len(s.Armoured), MaxSignatureSize)
	}
	if bytes.HasPrefix(s.Armoured, []byte(armourBegin)) {
		return MediaTypeSSHSig, nil
	}
	return "", errors.New("reading signature: it is no armoured SSH signature (ssh-keygen -Y sign)")
}

// mustKind is kind for a signature that kind has passed.
func (s Signature) mustKind() string {
	k, _ := s.kind()
	return k
}

// check is Check for an artifact manifest.
func (s Signature) check(doc []byte) (ssh.PublicKey, error) { return s.Check(SignatureNamespace, doc) }

// Check verifies that the signature is over doc, in the namespace, by the key
// that it carries, and gives that key. Whether the key is trusted is another
// question: ask Signers.Match.
func (s Signature) Check(namespace string, doc []byte) (ssh.PublicKey, error) {
	sig, err := s.parse()
	if err != nil {
		return nil, err
	}
	fp := ssh.FingerprintSHA256(sig.PublicKey)
	if sig.Namespace != namespace {
		return nil, fmt.Errorf("checking signature of %s: it is for %q, not for %q", fp, shorten(sig.Namespace), namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(doc), sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return nil, fmt.Errorf("checking signature of %s: it is not over this document (%w)", fp, err)
	}
	return sig.PublicKey, nil
}

// parse reads the armour and the SSHSIG in it, and leaves no byte unread.
func (s Signature) parse() (sig *sshsig.Signature, err error) {
	if _, err := s.kind(); err != nil {
		return nil, err
	}
	raw, err := unarmour(s.Armoured)
	if err != nil {
		return nil, err
	}
	if sig, err = sshsig.ParseSignature(raw); err != nil {
		return nil, fmt.Errorf("reading signature: %w", err)
	}
	if !bytes.Equal(sig.Marshal(), raw) {
		return nil, errors.New("reading signature: it holds more than a signature")
	}
	if err := checkKey(sig.PublicKey); err != nil {
		return nil, fmt.Errorf("reading signature: %w", err)
	}
	if len(sig.Signature.Rest) > 0 && !strings.HasPrefix(sig.PublicKey.Type(), "sk-") {
		return nil, errors.New("reading signature: it holds more than a signature")
	}
	return sig, nil
}

// unarmour reads the armour strictly: nothing before, between or after.
func unarmour(b []byte) ([]byte, error) {
	body, ok := strings.CutPrefix(string(b), armourBegin)
	if ok {
		body, ok = strings.CutSuffix(body, armourEnd)
	}
	if !ok {
		return nil, errors.New("reading signature: its armour is broken")
	}
	for _, line := range strings.SplitAfter(body, "\n") {
		if len(line) > 77 || line == "\n" || strings.ContainsRune(line, '\r') {
			return nil, errors.New("reading signature: its armour is broken")
		}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("reading signature: its armour is broken: %w", err)
	}
	return raw, nil
}

// checkKey refuses keys that nobody should sign with.
func checkKey(k ssh.PublicKey) error {
	switch k.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		c, ok := k.(ssh.CryptoPublicKey)
		if !ok {
			return errors.New("an RSA key of an unknown form")
		}
		if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); !ok || r.N.BitLen() < minRSABits {
			return fmt.Errorf("an RSA key of fewer than %d bits is not accepted", minRSABits)
		}
		return nil
	}
	if strings.Contains(k.Type(), "-cert-") {
		return fmt.Errorf("certificates (%s) are not accepted; sign with the plain key", k.Type())
	}
	return fmt.Errorf("keys of type %s are not accepted", shorten(k.Type()))
}

// parsePublic reads one line "TYPE BASE64 COMMENT", a .pub file.
func parsePublic(line []byte) (ssh.PublicKey, error) {
	k, _, options, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, err
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("want one line: type, key, comment")
	}
	return k, checkKey(k)
}
