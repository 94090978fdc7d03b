package docker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/docker"
	"satchel/runner/enginetest"
)

// remoteTests are those in which the way to the daemon matters.
var remoteTests = []string{"streams/half-close", "streams/close-while-writing", "keep/environment"}

// remote opens an engine by what the environment says.
func remote(t *testing.T, init string) runner.Engine {
	t.Helper()
	e, err := docker.New(docker.Options{Init: init, Name: "satcheltestremote", Client: docker.FromEnv()})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { discardAll(t, e) })
	return e
}

// The daemon is reached through ssh: a program of that name stands for it,
// and does what ssh would do on the other machine.
func TestSSH(t *testing.T) {
	newEngine(t, enginetest.BuildProbe(t)) // or skips
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("the docker command, which works on the other side, is not here: ", err)
	}
	dir := t.TempDir()
	fake := "#!/bin/sh\necho \"$@\" >> " + dir + "/asked\nwhile [ \"$1\" != -- ]; do shift; done; shift 2\nunset DOCKER_HOST\nexec \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_HOST", "ssh://builder@far.example.org:2222")
	enginetest.Some(t, remote, remoteTests...)
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if want := "-l builder -p 2222 -- far.example.org docker system dial-stdio\n"; err != nil || !strings.Contains(string(asked), want) {
		t.Errorf("ssh was asked for\n%s\nwant %s", asked, want)
	}
}

// What ssh says when it cannot is what the user reads.
func TestSSHFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\necho 'far: Permission denied (publickey).' >&2\nexit 255\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_HOST", "ssh://far")
	e, err := docker.New(docker.Options{Init: enginetest.BuildProbe(t), Client: docker.FromEnv()})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "Permission denied (publickey)") || !strings.Contains(err.Error(), "far") {
		t.Errorf("%v; want ssh's own words", err)
	}
}

// The daemon is reached by TCP with TLS: a proxy before it knows who may.
func TestTLS(t *testing.T) {
	newEngine(t, enginetest.BuildProbe(t)) // or skips
	dir := t.TempDir()
	address := tlsProxy(t, dir)
	t.Setenv("DOCKER_HOST", "tcp://"+address)
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	t.Setenv("DOCKER_CERT_PATH", dir)
	enginetest.Some(t, remote, remoteTests...)

	stranger := t.TempDir()
	tlsProxy(t, stranger) // with another authority
	t.Setenv("DOCKER_CERT_PATH", stranger)
	e, err := docker.New(docker.Options{Init: enginetest.BuildProbe(t), Client: docker.FromEnv()})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with the certificates of another authority: %v", err)
	}
}

// tlsProxy writes ca.pem, cert.pem and key.pem to dir and passes connections
// that bring the certificate on to this machine's daemon.
func tlsProxy(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "satchel test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for name, text := range map[string][]byte{"ca.pem": certificate, "cert.pem": certificate, "key.pem": private} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certificate, private)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c.(*tls.Conn))
		}
	}()
	return l.Addr().String()
}

// pass copies in both directions; each ends by itself.
func pass(c *tls.Conn) {
	defer c.Close()
	if c.Handshake() != nil {
		return
	}
	d, err := net.Dial("unix", "/var/run/docker.sock")
	if err != nil {
		return
	}
	defer d.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(d, c)
		d.(*net.UnixConn).CloseWrite()
	}()
	io.Copy(c, d)
	c.CloseWrite()
	<-done
}
