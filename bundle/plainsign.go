package bundle

import (
	"context"
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/ssh"

	"satchel/manifest"
	"satchel/manifest/provenance"
)

// SignEnvelope signs the PAE of a DSSE envelope's payload and adds the signature.
// It is what others verify with the public key alone: Ed25519; ECDSA in DER; RSA,
// PKCS #1 v1.5 with SHA-256. The key ID is what the SSH
// fingerprint says, in hexadecimal, as others want it. Security keys, which sign
// more than they are given, are refused.
func (s sshSigner) SignEnvelope(ctx context.Context, e *provenance.Envelope, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	pub := s.key.PublicKey()
	data := provenance.PAE(e.PayloadType, payload)
	var sig *ssh.Signature
	var err error
	algorithm, rsa := s.key.(ssh.AlgorithmSigner)
	switch {
	case strings.HasPrefix(pub.Type(), "sk-"):
		return fmt.Errorf("signing provenance: a security key (%s) makes no signatures that DSSE could hold; use another key", pub.Type())
	case pub.Type() == ssh.KeyAlgoRSA && rsa:
		sig, err = algorithm.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA256)
	default:
		sig, err = s.key.Sign(rand.Reader, data)
	}
	if err != nil {
		return fmt.Errorf("signing provenance with %s: %w", s.Fingerprint(), err)
	}
	own, err := ssh.ParsePublicKey(pub.Marshal())
	if err == nil {
		err = own.Verify(data, sig)
	}
	if err != nil {
		return fmt.Errorf("signing provenance with %s: %w", s.Fingerprint(), err)
	}
	blob := sig.Blob
	if strings.HasPrefix(sig.Format, "ecdsa-") {
		var pair struct{ R, S *big.Int }
		if err := ssh.Unmarshal(blob, &pair); err != nil {
			return fmt.Errorf("signing provenance: %w", err)
		}
		if blob, err = asn1.Marshal(pair); err != nil {
			return fmt.Errorf("signing provenance: %w", err)
		}
	}
	e.Add(manifest.Sum(pub.Marshal()).Hex(), blob)
	return nil
}
