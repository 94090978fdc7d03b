package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A mutation changes the form of a clear-signed file, mostly in ways that leave
// what was signed as it is: it is there that readers come to differ.
type mutation func(r *rand.Rand, data []byte) []byte

// atLine puts text somewhere at the end or the start of a line.
func atLine(end bool, texts ...string) mutation {
	return func(r *rand.Rand, data []byte) []byte {
		var places []int
		for i, c := range data {
			if c == '\n' {
				places = append(places, i)
			}
		}
		if len(places) == 0 {
			return data
		}
		at := places[r.IntN(len(places))]
		if !end {
			at++
		}
		return splice(data, at, at, texts[r.IntN(len(texts))])
	}
}

func splice(data []byte, from, to int, text string) []byte {
	return append(append(append([]byte(nil), data[:from]...), text...), data[to:]...)
}

var mutations = []mutation{
	atLine(true, " ", "\t", "  \t ", "\r", "\v", "\f", "\u00a0", "\x00", "\u0085", "\u2028", " \r"),
	atLine(true, "\n", "\n\n", "\n \n", "\n- ", "\n-", "\n- \n", "\r\n"),
	atLine(false, "- ", "- - ", "-", " ", "\t", "From ", "\ufeff", "=", "> "),
	atLine(false, "Hash: SHA256\n", "Hash: SHA512\n", "Hash: SHA1\n", "Hash: MD5\n", "Hash:\n", "Charset: UTF-8\n", "NotDashEscaped: GnuPG\n", "Version: 1\n", "Comment: x\n"),
	atLine(false, beginSigned+"\n", beginSignature+"\n", endSignature+"\n", "- "+beginSignature+"\n", beginKey+"\n", "-----BEGIN PGP MESSAGE-----\n"),
	func(r *rand.Rand, data []byte) []byte { // a bit
		i := r.IntN(len(data))
		return splice(data, i, i+1, string([]byte{data[i] ^ 1<<r.IntN(8)}))
	},
	func(r *rand.Rand, data []byte) []byte { // a line less
		lines := bytes.SplitAfter(data, []byte("\n"))
		i := r.IntN(len(lines))
		return bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
	},
	func(r *rand.Rand, data []byte) []byte { // a line twice, or elsewhere
		lines := bytes.SplitAfter(data, []byte("\n"))
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		return bytes.Join(append(append(append([][]byte{}, lines[:i]...), lines[j]), lines[i:]...), nil)
	},
	func(r *rand.Rand, data []byte) []byte { // lines of the armour joined or parted
		at := bytes.LastIndexByte(data[:len(data)-1-r.IntN(100)], '\n')
		if r.IntN(2) == 0 && at > 0 {
			return splice(data, at, at+1, "")
		}
		return splice(data, len(data)-40, len(data)-40, "\n")
	},
	func(r *rand.Rand, data []byte) []byte { // header's words
		olds := []string{"Hash: SHA256", "SHA256,", ": ", ", "}
		news := []string{"Hash: SHA256, SHA512", "Hash:  SHA256", "hash: SHA256", "Hash: SHA256 ", "Hash: sha256", "Hash: SHA256,", ",SHA512", ":", ",", " , "}
		return bytes.Replace(data, []byte(olds[r.IntN(len(olds))]), []byte(news[r.IntN(len(news))]), 1)
	},
}

// TestMutatedAgainstPeers: whatever is left of a signed file after some
// mutations, what we accept gpgv and sqop accept with the same text.
func TestMutatedAgainstPeers(t *testing.T) {
	count := 1500
	if os.Getenv("SATCHEL_FULL") == "1" {
		count = 60000
	}
	one, two := newKey(t, "one", born, 0, packet.PubKeyAlgoEdDSA), newKey(t, "two", born, 0, packet.PubKeyAlgoRSA)
	ring := public(t, one, two)
	when := born.AddDate(0, 0, 1)
	s := func(text string) []byte {
		return signature{key: one.PrivateKey, at: when, kind: packet.SigTypeText}.sign(t, over(text, " \t"))
	}
	dashed := releaseText + "Description: x\n -- y\n - z\n"
	starts := [][]byte{
		clearSigned("Hash: SHA256\n", releaseText, s(releaseText)),
		clearSigned("Hash: SHA256, SHA512\n", dashed, s(dashed)),
		clearSigned("Hash: SHA256\n", releaseText, append(s(releaseText), signature{key: two.PrivateKey, at: when, kind: packet.SigTypeText}.sign(t, over(releaseText, ""))...)),
	}
	r := rand.New(rand.NewPCG(11, 12))
	accepted := 0
	for n := range count {
		data := starts[r.IntN(len(starts))]
		steps := 1 + r.IntN(3)
		for range steps {
			data = mutations[r.IntN(len(mutations))](r, data)
		}
		if agree(t, fmt.Sprintf("mutation %d: %q", n, data), ring, data) {
			accepted++
		}
	}
	if accepted < count/50 {
		t.Errorf("of %d mutated files %d were accepted: they prove little", count, accepted)
	}
	t.Logf("%d of %d accepted", accepted, count)
}
