package manifest

// BundleView is what inspect --json prints of a bundle;
// docs/bundle.schema.json describes it.
type BundleView struct {
	Identity   string          `json:"identity"` // "sha256:…", the digest of the bundle's manifest
	Size       int64           `json:"size"`     // bytes of the file
	Lock       *Lock           `json:"lock"`
	Targets    []Target        `json:"targets"` // the lock's own, where a lock's JSON has them
	Blobs      []Ref           `json:"blobs"`   // Lock.Blobs
	Signatures []SignatureView `json:"signatures"`
}

// SignatureView is a signature that a bundle carries. It says nothing about
// whether anybody trusts the key.
type SignatureView struct {
	Kind           string `json:"kind"`             // "ssh"
	KeyFingerprint string `json:"keyFingerprint"`   // as ssh-keygen -l prints it, "SHA256:…"
	Signer         string `json:"signer,omitempty"` // whom a keyring knows the key as
}
