package archivetest

import (
	"bytes"
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 archives of old have signed with it
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"math/big"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// NewDSAKey makes a key like that of Ubuntu's archive of 2004: DSA of 1024 bits,
// which signs with SHA-1, itself too. Detached signatures are of version 3 if
// that is asked for, as those of lucid are.
func NewDSAKey(t testing.TB, version3 bool) *Key {
	t.Helper()
	born := time.Date(2004, 9, 12, 0, 0, 0, 0, time.UTC)
	priv := &dsa.PrivateKey{PublicKey: dsa.PublicKey{Parameters: dsaParameters()}}
	if err := dsa.GenerateKey(priv, rand.Reader); err != nil {
		t.Fatal(err)
	}
	key := packet.NewDSAPrivateKey(born, priv)
	id := packet.NewUserId("Test Archive of Old", "", "archive@example.org")
	yes := true
	self := &packet.Signature{
		Version: 4, SigType: packet.SigTypePositiveCert, PubKeyAlgo: packet.PubKeyAlgoDSA, Hash: crypto.SHA1,
		CreationTime: born, IssuerKeyId: &key.KeyId, IsPrimaryId: &yes, FlagsValid: true, FlagSign: true, FlagCertify: true,
	}
	if err := self.SignUserId(id.Id, &key.PublicKey, key, unsalted()); err != nil {
		t.Fatal(err)
	}
	e := &openpgp.Entity{PrimaryKey: &key.PublicKey, PrivateKey: key, Identities: map[string]*openpgp.Identity{
		id.Id: {Name: id.Id, UserId: id, SelfSignature: self, Signatures: []*packet.Signature{self}},
	}}
	return &Key{entity: e, old: true, version3: version3}
}

// unsalted signs as of old, without a notation that makes each signature another.
func unsalted() *packet.Config {
	no := false
	return &packet.Config{NonDeterministicSignaturesViaNotation: &no}
}

// dsaParameters are some that openssl made; to make them takes seconds.
func dsaParameters() dsa.Parameters {
	number := func(hex string) *big.Int {
		n, ok := new(big.Int).SetString(hex, 16)
		if !ok {
			panic("archivetest: " + hex + " is no number")
		}
		return n
	}
	return dsa.Parameters{
		P: number("86a0d7888ace7d35353e5dd461f66785e3232ed86e4b0f2b7597380393a4e7034e688e6ab4af3aa6211e9c703020dbdb" +
			"e0b8a30dff5e8186e669736eeb318c8db3736ef270dd6020e3322a69e0dcf02e7fb0fab2e4044d4c5e05e6006c077865" +
			"52be24bc6138382b6e1289763fa49b49ec9e38ffc606a8899a15fd9caa3a6d59"),
		Q: number("aadd423a2739bf979f87e2365673fda376b1f8e3"),
		G: number("3e95aa38a8d42c407045c8778183f08ece497a33ebfdc335bf8532a49f7cdc6b1249789c4434848b5778dceb5cd895a0" +
			"0ba9ec6cf0f034dcae5748c72c5e37baa282987f9a7d12b9ec5be1e7c43fe5694ffa7d18e152887a28a7f148d302a9a6" +
			"8b72286c52f1f2b94aab69e88cfa4782b4bf66beee500b761d6c8fbd45d30de6"),
	}
}

// signOld is sign by a key of old, with SHA-1.
func (k *Key) signOld(data []byte, when time.Time, kind packet.SignatureType) ([]byte, error) {
	if k.version3 && kind == packet.SigTypeBinary {
		return k.signVersion3(data, when)
	}
	sig := &packet.Signature{
		Version: 4, SigType: kind, PubKeyAlgo: packet.PubKeyAlgoDSA, Hash: crypto.SHA1, CreationTime: when, IssuerKeyId: &k.entity.PrimaryKey.KeyId,
	}
	h := sha1.New()
	h.Write(data)
	var b bytes.Buffer
	err := sig.Sign(h, k.entity.PrivateKey, unsalted())
	if err == nil {
		err = sig.Serialize(&b)
	}
	return b.Bytes(), err
}

// signVersion3: RFC 4880, section 5.2.2.
func (k *Key) signVersion3(data []byte, when time.Time) ([]byte, error) {
	hashed := binary.BigEndian.AppendUint32([]byte{byte(packet.SigTypeBinary)}, uint32(when.Unix()))
	sum := sha1.Sum(append(bytes.Clone(data), hashed...))
	r, s, err := dsa.Sign(rand.Reader, k.entity.PrivateKey.PrivateKey.(*dsa.PrivateKey), sum[:])
	if err != nil {
		return nil, err
	}
	body := append([]byte{3, 5}, hashed...)
	body = binary.BigEndian.AppendUint64(body, k.entity.PrimaryKey.KeyId)
	body = append(body, byte(packet.PubKeyAlgoDSA), 2, sum[0], sum[1])
	for _, n := range []*big.Int{r, s} {
		body = binary.BigEndian.AppendUint16(body, uint16(n.BitLen()))
		body = append(body, n.Bytes()...)
	}
	return append([]byte{0x88, byte(len(body))}, body...), nil
}
