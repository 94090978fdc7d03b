package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestTamperedAgainstGpgv changes real files in many ways. Where gpgv refuses,
// we must; and where we accept, what we read is what gpgv says was signed.
func TestTamperedAgainstGpgv(t *testing.T) {
	ring := machineKeyring(t)
	k, err := ReadKeyring("debian", ring)
	if err != nil {
		t.Fatal(err)
	}
	accepted, refusedByBoth, stricter := 0, 0, 0
	try := func(name string, data []byte) {
		_, _, err := k.VerifyInRelease(data, time.Now())
		ok, text, story := gpgv(t, ring, data)
		switch {
		case err == nil && !ok:
			t.Errorf("%s: we accept, gpgv refuses:\n%s", name, story)
		case err == nil:
			accepted++
			c, err := splitClearsigned(data)
			if err != nil || strings.TrimRight(text, "\n") != strings.TrimRight(string(c.text), "\n") {
				t.Errorf("%s: we read another text than gpgv verified (%v)", name, err)
			}
		case ok:
			stricter++
		default:
			refusedByBoth++
		}
	}
	releases := machineReleases(t)
	for name, data := range releases {
		for trick, changed := range tricks(data) {
			try(name+": "+trick, changed)
		}
		for other, data2 := range releases {
			if other != name { // the text of one, the signature of the other
				try(name+" signed as "+other, append(before(data, beginSignature), after(data2, beginSignature)...))
			}
		}
	}
	smallest := smallestOf(releases)
	from := bytes.Index(smallest, []byte(beginSignature))
	rnd := rand.New(rand.NewPCG(5, 6))
	for n := range 150 {
		changed := bytes.Clone(smallest)
		i := rnd.IntN(len(changed))
		if n%3 > 0 {
			i = from + rnd.IntN(len(changed)-from)
		}
		switch n % 4 {
		case 0, 1:
			changed[i] ^= 1 << rnd.IntN(8)
		case 2:
			changed = append(changed[:i], changed[i+1:]...)
		default:
			changed = append(changed[:i], append([]byte{changed[rnd.IntN(len(changed))]}, changed[i:]...)...)
		}
		try(fmt.Sprintf("change %d at byte %d", n, i), changed)
	}
	t.Logf("accepted by both %d, refused by both %d, refused by us alone %d", accepted, refusedByBoth, stricter)
	if accepted == 0 || refusedByBoth < 100 {
		t.Error("these changes prove nothing")
	}
}

func smallestOf(files map[string][]byte) []byte {
	var best []byte
	for _, data := range files {
		if best == nil || len(data) < len(best) {
			best = data
		}
	}
	return best
}

func before(data []byte, line string) []byte {
	return bytes.Clone(data[:bytes.Index(data, []byte(line))])
}

func after(data []byte, line string) []byte { return data[bytes.Index(data, []byte(line)):] }

// tricks are ways to make two readers see two texts in one file.
func tricks(data []byte) map[string][]byte {
	sub := func(old, new string) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
	all := func(old, new string) []byte { return bytes.ReplaceAll(data, []byte(old), []byte(new)) }
	cat := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				b = append(b, p...)
			case []byte:
				b = append(b, p...)
			}
		}
		return b
	}
	evil := "Origin: Evil\nSuite: evil\nCodename: evil\nDate: Wed, 01 Jan 2020 00:00:00 UTC\nSHA256:\n " + sumA + " 10 x\n"
	const header, sig, end = "Hash: SHA256\n\n", beginSignature + "\n", endSignature + "\n"
	return map[string][]byte{
		"as it is":                        data,
		"text before":                     cat(evil, "\n", data),
		"empty line before":               cat("\n", data),
		"byte order mark":                 cat("\xef\xbb\xbf", data),
		"text after":                      cat(data, evil),
		"empty line after":                cat(data, "\n"),
		"twice":                           cat(data, data),
		"second message unsigned":         cat(data, beginSigned+"\n"+header+evil+sig+end),
		"unsigned message first":          cat(beginSigned+"\n"+header+evil+sig+end, data),
		"evil header":                     sub(header, "Hash: SHA256\nOrigin: Evil\n\n"),
		"comment header":                  sub(header, "Comment: x\nHash: SHA256\n\n"),
		"text as header":                  sub(header, "Hash: SHA256\n"+evil+"\n"),
		"no Hash":                         sub(header, "\n"),
		"Hash: MD5":                       sub("Hash: SHA256", "Hash: MD5"),
		"Hash: SHA1":                      sub("Hash: SHA256", "Hash: SHA1"),
		"Hash: SHA256, MD5":               sub("Hash: SHA256", "Hash: SHA256, MD5"),
		"Hash twice":                      sub(header, "Hash: SHA256\nHash: SHA512\n\n"),
		"Hash with spaces":                sub("Hash: SHA256", "Hash:   SHA256  "),
		"hash in lower case":              sub("Hash: SHA256", "hash: sha256"),
		"no empty line":                   sub(header, "Hash: SHA256\n"),
		"blank line that is not empty":    sub(header, "Hash: SHA256\n \n"),
		"blank line, then evil":           sub(header, "Hash: SHA256\n \n"+evil+"\n"),
		"two empty lines":                 sub(header, header+"\n"),
		"CR LF":                           all("\n", "\r\n"),
		"CR alone":                        all("\n", "\r"),
		"CR LF in the text's first line":  sub("Origin: Debian\n", "Origin: Debian\r\n"),
		"CR in a line":                    sub("Origin: Debian\n", "Origin: Debian\rOrigin: Evil\n"),
		"NUL":                             sub("Origin: Debian\n", "Origin: Debian\x00\n"),
		"NUL after":                       cat(data, "\x00"),
		"vertical tab":                    sub("Origin: Debian\n", "Origin: Debian\v\n"),
		"form feed":                       sub("Origin: Debian\n", "Origin: Debian\f\n"),
		"trailing space":                  sub("Origin: Debian\n", "Origin: Debian \n"),
		"trailing tab":                    sub("Origin: Debian\n", "Origin: Debian\t\n"),
		"line of spaces":                  sub("Label:", "   \nLabel:"),
		"escaped dash":                    sub("Origin: Debian\n", "- Origin: Debian\n"),
		"escaped everywhere":              cat(beginSigned, "\n", header, bytes.ReplaceAll(bytes.TrimPrefix(before(data, beginSignature), []byte(beginSigned+"\n"+header)), []byte("\n"), []byte("\n- ")), "\n", after(data, beginSignature)),
		"unescaped dash":                  sub("Origin: Debian\n", "-Origin: Debian\n"),
		"escaped empty line":              sub("Label:", "- \nLabel:"),
		"dash alone":                      sub("Label:", "-\nLabel:"),
		"From":                            sub("Label:", "From x\nLabel:"),
		"inner signature":                 sub("Label:", sig+"\nAAAA\n"+end+"Label:"),
		"inner begin":                     sub("Label:", beginSigned+"\n"+header+"Label:"),
		"inner escaped begin":             sub("Label:", "- "+beginSigned+"\n"+header+"Label:"),
		"evil between text and signature": sub(sig, evil+sig),
		"space after begin":               sub(beginSigned, beginSigned+" "),
		"space after signature's begin":   sub(sig, beginSignature+" \n"),
		"no end":                          sub(end, ""),
		"end without line end":            bytes.TrimSuffix(data, []byte("\n")),
		"end of another kind":             sub(end, endKey+"\n"),
		"armour header":                   sub(sig, sig+"Version: GnuPG v1.4.12 (GNU/Linux)\n"),
		"armour header without value":     sub(sig, sig+"Comment\n"),
		"no empty line in armour":         sub(sig+"\n", sig),
		"checksum wrong":                  sub("\n=", "\n=AAAA\n#"),
		"checksum gone":                   cat(data[:bytes.LastIndex(data, []byte("\n="))+1], end),
		"signature block twice":           cat(data, after(data, beginSignature)),
		"text cut":                        cat(before(data, "SHA256:"), after(data, beginSignature)),
		"text empty":                      cat(beginSigned+"\n"+header, after(data, beginSignature)),
		"nothing":                         nil,
		"long line":                       sub("Label:", "X: "+strings.Repeat("x", 30000)+"\nLabel:"),
		"long line of spaces":             sub("Origin: Debian\n", "Origin: Debian"+strings.Repeat(" ", 30000)+"\n"),
		"evil behind many spaces":         sub("Origin: Debian\n", "Origin: Debian"+strings.Repeat(" ", 19990)+"Evil\n"),
		"last empty line":                 sub("\n"+sig, "\n\n"+sig),
		"no signature":                    before(data, beginSignature),
		"detached kind":                   before(data, beginSignature)[len(beginSigned)+1+len(header):],
		"UTF-16":                          all("", "\x00"),
	}
}
