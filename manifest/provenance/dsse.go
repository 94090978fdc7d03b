package provenance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
