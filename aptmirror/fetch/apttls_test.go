package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/aptconf"
)

// issue makes NAME.pem and NAME.key in dir: a certificate by the authority ca, or by
// itself if that is nil. hosts is what it is for.
func issue(t *testing.T, dir, name string, ca *tls.Certificate, hosts ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: ca == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := c, any(key)
	if ca != nil {
		c.KeyUsage = x509.KeyUsageDigitalSignature
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for suffix, text := range map[string][]byte{".pem": public, ".key": private} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(public, private)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// TestAptTLS: for each configuration, a server that wants to know its client is
// reached if and only if the real apt reaches it.
func TestAptTLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "satchel-apttls-") // where apt's unprivileged user may read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	ca, other := issue(t, dir, "ca", nil), issue(t, dir, "other", nil)
	issue(t, dir, "client", ca)
	issue(t, dir, "stranger", other)
	os.WriteFile(filepath.Join(dir, "empty"), []byte("nothing\n"), 0o644)
	clients := x509.NewCertPool()
	clients.AddCert(ca.Leaf)
	serve := func(auth tls.ClientAuthType, host string) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "content") }))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*issue(t, dir, "server-"+host, ca, host)}, ClientAuth: auth, ClientCAs: clients}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
		return "https://localhost:" + port + "/file"
	}
	open, closed, misnamed := serve(tls.NoClientCert, "localhost"), serve(tls.RequireAndVerifyClientCert, "localhost"), serve(tls.NoClientCert, "elsewhere")
	const own = `CAInfo "@/ca.pem"; SSLCert "@/client.pem"; SSLKey "@/client.key";`
	for _, tt := range []struct {
		conf, url string
		want      bool
		stricter  bool // than apt, which is told to be lax
	}{
		{conf: ``, url: open},
		{conf: `CAInfo "@/ca.pem";`, url: open, want: true},
		{conf: `cainfo "@/ca.pem";`, url: open, want: true},
		{conf: `CAInfo "@/other.pem";`, url: open},
		{conf: `CAInfo "@/empty";`, url: open},
		{conf: `CAInfo "@/missing";`, url: open},
		{conf: `localhost::CAInfo "@/ca.pem";`, url: open, want: true},
		{conf: `CAInfo "@/other.pem"; CAInfo::localhost "@/ca.pem";`, url: open},
		{conf: `CAInfo "@/other.pem"; localhost::CAInfo "@/ca.pem";`, url: open, want: true},
		{conf: `CAInfo "@/ca.pem"; localhost::CAInfo "@/other.pem";`, url: open},
		{conf: `CAInfo "@/ca.pem"; example.org::CAInfo "@/other.pem";`, url: open, want: true},
		{conf: `CAInfo "@/ca.pem";`, url: closed},
		{conf: own, url: closed, want: true},
		{conf: own, url: open, want: true},
		{conf: `CAInfo "@/ca.pem"; localhost { SSLCert "@/client.pem"; SSLKey "@/client.key"; };`, url: closed, want: true},
		{conf: `CAInfo "@/ca.pem"; SSLCert "@/stranger.pem"; SSLKey "@/stranger.key";`, url: closed},
		{conf: `CAInfo "@/ca.pem"; SSLCert "@/client.pem"; SSLKey "@/stranger.key";`, url: closed},
		{conf: `CAInfo "@/ca.pem"; SSLCert "@/missing"; SSLKey "@/client.key";`, url: closed},
		{conf: `CAInfo "@/ca.pem";`, url: misnamed},
		{conf: `Verify-Peer "false";`, url: open, stricter: true},
		{conf: `CAInfo "@/ca.pem"; Verify-Host "false";`, url: misnamed, stricter: true},
	} {
		conf := "Acquire::https { " + strings.ReplaceAll(tt.conf, "@", dir) + " };\n"
		t.Run(tt.conf+" "+tt.url, func(t *testing.T) {
			err := getAsApt(t, conf, tt.url)
			if (err == nil) != tt.want {
				t.Errorf("satchel: %v, want success %v", err, tt.want)
			}
			apt, said := aptReaches(t, dir, conf, tt.url)
			if want := tt.want || tt.stricter; apt != want {
				t.Errorf("apt: %v, want %v\n%s", apt, want, said)
			}
		})
	}
}

// getAsApt asks a URL as apt's configuration has it.
func getAsApt(t *testing.T, conf, url string) error {
	t.Helper()
	var c aptconf.Config
	if err := c.Read(aptconf.File{Name: "apt.conf", Text: []byte(conf)}, nil); err != nil {
		t.Fatal(err)
	}
	client := New(Options{TLS: AptTLS(c.Find, os.ReadFile, func(string) bool { return true })})
	defer client.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Transport().RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// aptReaches has apt's own helper download the URL.
func aptReaches(t *testing.T, dir, conf, url string) (bool, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "apt.conf")
	conf += "Acquire::http::Proxy \"DIRECT\"; APT::Sandbox::User \"root\"; Acquire::Retries 0; Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\";\n"
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/lib/apt/apt-helper", "download-file", url, filepath.Join(t.TempDir(), "file"))
	cmd.Env = append(os.Environ(), "APT_CONFIG="+file)
	out, err := cmd.CombinedOutput()
	return err == nil, fmt.Sprintf("%s%v", out, err)
}

// A client's certificate goes to archives alone, and what is not followed is said.
func TestAptTLSHosts(t *testing.T) {
	conf := map[string]string{"Acquire::https::CAInfo": "ca", "Acquire::https::Verify-Peer": "No", "Acquire::https::a.example::Verify-Host": "false",
		"Acquire::https::b.example::CRLFile": "list", "Acquire::https::Verify-Host": "true"}
	read := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	choose := AptTLS(func(n string) string { return conf[n] }, read, func(h string) bool { return h == "a.example" })
	if c, err := choose("git.example"); c != nil || err != nil {
		t.Errorf("a host that is no archive's: %v, %v", c, err)
	}
	if _, err := choose("a.example"); err == nil || !strings.Contains(err.Error(), "Acquire::https::CAInfo") {
		t.Errorf("a file that is not there: %v", err)
	}
	said := strings.Join(AptTLSIgnored(func(n string) string { return conf[n] }, []string{"a.example", "b.example"}), "\n")
	for _, want := range []string{"Verify-Peer is not followed", "a.example::Verify-Host", "b.example::CRLFile"} {
		if !strings.Contains(said, want) {
			t.Errorf("it is not said: %s\n%s", want, said)
		}
	}
	if strings.Contains(said, "https::Verify-Host is") {
		t.Errorf("said without need:\n%s", said)
	}
}
