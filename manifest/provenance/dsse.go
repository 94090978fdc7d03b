package provenance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// PayloadType is what an envelope says that a statement is.
const PayloadType = "application/vnd.in-toto+json"

// Envelope is DSSE (github.com/secure-systems-lab/dsse, envelope.md): a payload
// and signatures over its PAE.
type Envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"` // base64
	Signatures  []EnvelopeSignature `json:"signatures"`
}

// EnvelopeSignature is one signature of an envelope.
type EnvelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"` // base64
}

// PAE is what a signature of an envelope is made over (DSSE's protocol.md).
func PAE(payloadType string, payload []byte) []byte {
	out := []byte("DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.Itoa(len(payload)) + " ")
	return append(out, payload...)
}

// maxEnvelopeSignatures bounds the signatures of one envelope.
const maxEnvelopeSignatures = 64

// Open reads an envelope of a statement and returns its payload, whoever signed
// it. There must be nothing in it, or after it, that the format does not name.
func Open(file string, data []byte) (*Envelope, []byte, error) {
	fail := func(err error) (*Envelope, []byte, error) {
		return nil, nil, fmt.Errorf("reading envelope %s: %w", file, err)
	}
	if len(data) > 2*maxStatement {
		return fail(fmt.Errorf("it has %d bytes, the limit is %d", len(data), 2*maxStatement))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var e Envelope
	if err := dec.Decode(&e); err != nil {
		return fail(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fail(errors.New("there is something after it"))
	}
	if e.PayloadType != PayloadType {
		return fail(fmt.Errorf("its payload is of type %.60q, want %s", e.PayloadType, PayloadType))
	}
	if n := len(e.Signatures); n == 0 || n > maxEnvelopeSignatures {
		return fail(fmt.Errorf("it has %d signatures, want 1 to %d", n, maxEnvelopeSignatures))
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	if err != nil {
		return fail(err)
	}
	return &e, payload, nil
}

// Seal makes an envelope of a payload, without signatures yet.
func Seal(payload []byte) *Envelope {
	return &Envelope{PayloadType: PayloadType, Payload: base64.StdEncoding.EncodeToString(payload), Signatures: []EnvelopeSignature{}}
}

// Add adds a signature that was made over the PAE.
func (e *Envelope) Add(keyID string, sig []byte) {
	e.Signatures = append(e.Signatures, EnvelopeSignature{KeyID: keyID, Sig: base64.StdEncoding.EncodeToString(sig)})
}

// Marshal writes the envelope in one line, as files called .intoto.jsonl have them.
func (e *Envelope) Marshal() ([]byte, error) {
	if len(e.Signatures) == 0 {
		return nil, fmt.Errorf("writing envelope: nobody has signed it")
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing envelope: %w", err)
	}
	return append(text, '\n'), nil
}
