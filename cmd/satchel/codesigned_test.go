package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"satchel/manifest"
)

// What two-stage signing needs, as small as can be: a program, the script that puts a
// signature to it, as the unsigned archives of real projects bring one along, and
// the descriptor of the second stage.
const (
	walletScript = `
echo 'int main(void) { return 0; }' > wallet.c
gcc -s -o wallet-unsigned wallet.c
printf '#!/bin/sh\nset -e\ncat "$1" "$2" > "$3"\n' > detached-sig-apply.sh
chmod 755 wallet-unsigned detached-sig-apply.sh
tar --sort=name --owner=0 --group=0 --mode=u+rw,go+r-w,a+X --mtime="$REFERENCE_DATETIME" -cf - wallet-unsigned detached-sig-apply.sh | gzip -9n > $OUTDIR/wallet-unsigned.tar.gz`
	signerScript = `
tar -xzf wallet-unsigned.tar.gz
./detached-sig-apply.sh wallet-unsigned signature/win/wallet.sig $OUTDIR/wallet`
)

// codesigned builds without signatures, twice, lets somebody sign what both vouch for,
// and puts the signatures to it by a second descriptor, whose input is the first's
// output. So everybody can check what was signed.
func (c *crossing) codesigned(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("it builds five times: set SATCHEL_FULL=1")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		skip(t, "openssl is not installed")
	}
	own := *c
	own.dir = filepath.Join(c.dir, "codesigned")
	w := &world{dir: own.dir}
	w.write(t, "wallet.yml", descriptor(t, "wallet", walletScript))
	second := descriptor(t, "wallet-signer", signerScript)
	second = strings.Replace(second, "remotes: []", "remotes:\n- \"url\": \"https://git.example.org/detached-sigs.git\"\n  \"dir\": \"signature\"", 1)
	w.write(t, "signer.yml", strings.Replace(second, "files: []", "files:\n- \"wallet-unsigned.tar.gz\"", 1))
	for _, name := range []string{"alice", "bob"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(own.dir, name))
		w.write(t, "keys/"+name+".pub", own.read(t, name+".pub"))
	}
	w.write(t, "policy.yaml", "satchel-policy: 1\nminimum: 2\nkeyring: keys\nsigners:\n"+signerLine(t, own.dir, "alice")+signerLine(t, own.dir, "bob"))
	// stage builds a bundle as somebody and attests what came out.
	stage := func(who, bundle, release string, umask string, more ...string) string {
		t.Helper()
		out := who + "-" + strings.TrimSuffix(bundle, ".satchel")
		_, code, story := own.satchel(t, append(offline(), underUmask(umask)...), append([]string{"run", bundle, "--unsigned", "--engine", "sandbox", "-o", out}, more...)...)
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		own.must(t, nil, "attest", out, "--signer", who, "--release", release, "-d", "gitian.sigs", "--key", who)
		return out
	}
	own.must(t, nil, "gather", "wallet.yml", "-o", "unsigned.satchel")
	alice, bob := stage("alice", "unsigned.satchel", "1.0-win-unsigned", "022"), stage("bob", "unsigned.satchel", "1.0-win-unsigned", "077", "-j", "1")
	own.must(t, nil, "compare", "gitian.sigs/1.0-win-unsigned", "--keyring", "keys", "--threshold", "2")
	const tarball = "/out/wallet-unsigned.tar.gz"
	own.must(t, nil, "check", alice+tarball, "--against", "gitian.sigs", "--policy", "policy.yaml", "--release", "1.0-win-unsigned")

	// Who holds the certificate signs what both have built, and publishes the
	// signatures alone.
	run(t, "tar", "-xzf", filepath.Join(own.dir, alice, tarball), "-C", own.dir, "wallet-unsigned")
	pem, sigs := filepath.Join(own.dir, "certificate.pem"), filepath.Join(own.dir, "sigs")
	run(t, "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", pem)
	run(t, "openssl", "ec", "-in", pem, "-pubout", "-out", pem+".pub")
	git := func(args ...string) {
		t.Helper()
		run(t, "git", append([]string{"-C", sigs, "-c", "user.name=signer", "-c", "user.email=signer@example.org"}, args...)...)
	}
	publish := func(tag string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(sigs, "win"), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "openssl", "dgst", "-sha256", "-sign", pem, "-out", filepath.Join(sigs, "win", "wallet.sig"), filepath.Join(own.dir, "wallet-unsigned"))
		git("init", "-q", ".")
		git("add", ".")
		git("commit", "-q", "-m", tag)
		git("tag", "-a", "-m", tag, tag)
	}
	publish("v1.0")

	// Each takes their own output of the first stage, and comes to the very same plan.
	lock := func(name, from, tag string) {
		t.Helper()
		own.must(t, nil, "lock", "signer.yml", "-c", "signature="+tag, "-u", "signature="+sigs, "--inputs", from+"/out", "-o", name+".lock")
		own.must(t, nil, "gather", "--lock", name+".lock", "--inputs", from+"/out", "-o", name+".satchel")
	}
	lock("signed", alice, "v1.0")
	lock("again", bob, "v1.0")
	if own.read(t, "signed.lock") != own.read(t, "again.lock") {
		t.Error("bob's plan is another one than alice's")
	}
	signed := stage("alice", "signed.satchel", "1.0-win-signed", "022")
	stage("bob", "again.satchel", "1.0-win-signed", "077", "-j", "1")
	own.must(t, nil, "compare", "gitian.sigs/1.0-win-signed", "--keyring", "keys", "--threshold", "2")
	own.must(t, nil, "check", signed+"/out/wallet", "--against", "gitian.sigs", "--policy", "policy.yaml")

	// The second assert names the first's output, and the signature is over what is
	// in it.
	first, last := own.result(t, "gitian.sigs/1.0-win-unsigned/bob/wallet-build.assert"), own.result(t, "gitian.sigs/1.0-win-signed/bob/wallet-signer-build.assert")
	if len(last.In.Files) != 1 || last.In.Files[0] != (manifest.FileSum{SHA256: first.Out[0].SHA256, Path: "wallet-unsigned.tar.gz"}) || len(last.In.Git) != 1 {
		t.Errorf("the inputs of the second stage are %+v, the output of the first %+v", last.In, first.Out)
	}
	program, whole := own.read(t, "wallet-unsigned"), own.read(t, signed, "out", "wallet")
	sig, ok := strings.CutPrefix(whole, program)
	if !ok {
		t.Fatal("the signed program is not the unsigned one with a signature")
	}
	run(t, "openssl", "dgst", "-sha256", "-verify", pem+".pub", "-signature", w.write(t, "attached.sig", sig), filepath.Join(own.dir, "wallet-unsigned"))

	// Another signature of the same program: other sources, so nothing to compare.
	publish("v1.1")
	lock("other", bob, "v1.1")
	other := stage("bob", "other.satchel", "1.1-win-signed", "022")
	out, code, story := own.satchel(t, nil, "compare", signed, other)
	if code != exitIncomparable || !strings.Contains(out, "source signature") {
		t.Errorf("exit status %d, want %d\n%s%s", code, exitIncomparable, out, story)
	}
}

// signerLine is a line of a policy for an SSH key.
func signerLine(t *testing.T, dir, name string) string {
	t.Helper()
	print := strings.Fields(run(t, "ssh-keygen", "-l", "-f", filepath.Join(dir, name+".pub")))[1]
	return "  - {name: " + name + ", weight: 1, keys: [\"" + print + "\"]}\n"
}

// result reads a result or an assert.
func (c *crossing) result(t *testing.T, name string) *manifest.Result {
	t.Helper()
	r, err := manifest.ParseResult(name, []byte(c.read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
