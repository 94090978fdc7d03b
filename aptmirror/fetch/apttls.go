package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// TLS says how a host proves who it is, and how the client does to it; nil
// means as ever: by the authorities that the system trusts, and not at all.
type TLS = func(host string) (*tls.Config, error)

// AptTLS returns a TLS that asks the hosts of archives as apt does
// (apt-transport-https(1)): Acquire::https::CAInfo is a file with the authorities
// to trust instead of the system's, SSLCert and SSLKey are files with the client's
// own certificate and its key. As HOST::OPTION each counts for one host, before the
// general one; the manual's OPTION::HOST apt 2.6 does not heed, and so it is here.
// Options that would leave the server's identity unchecked are not followed;
// AptTLSIgnored tells them.
//
// find looks a name up in apt's configuration, read reads a file; archive tells
// whether a host is an archive's. A file that cannot be used is an error for
// every request to the host that it is for.
func AptTLS(find func(string) string, read func(string) ([]byte, error), archive func(host string) bool) TLS {
	return func(host string) (*tls.Config, error) {
		if !archive(host) {
			return nil, nil
		}
		ca, cert, key := aptTLS(find, "CAInfo", host), aptTLS(find, "SSLCert", host), aptTLS(find, "SSLKey", host)
		if ca == "" && cert == "" && key == "" {
			return nil, nil
		}
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		if ca != "" {
			text, err := read(ca)
			if err != nil {
				return nil, fmt.Errorf("reading apt's Acquire::https::CAInfo: %w", err)
			}
			c.RootCAs = x509.NewCertPool()
			if !c.RootCAs.AppendCertsFromPEM(text) {
				return nil, fmt.Errorf("reading apt's Acquire::https::CAInfo %s: it has no certificate in PEM form", ca)
			}
		}
		if (cert == "") != (key == "") {
			return nil, fmt.Errorf("apt's Acquire::https::SSLCert and SSLKey go together: for %s there is one of them alone", host)
		}
		if cert != "" {
			own, err := ownCertificate(read, cert, key)
			if err != nil {
				return nil, fmt.Errorf("reading apt's Acquire::https::SSLCert and SSLKey: %w", err)
			}
			c.Certificates = []tls.Certificate{own}
		}
		return c, nil
	}
}

// ownCertificate reads a certificate and its key. Errors do not show the files' text.
func ownCertificate(read func(string) ([]byte, error), cert, key string) (tls.Certificate, error) {
	c, err := read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	k, err := read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(c, k)
	if err != nil {
		return pair, fmt.Errorf("%s and %s: %w", cert, key, err)
	}
	return pair, nil
}

// aptTLS is the value of an option for a host, "" if there is none.
func aptTLS(find func(string) string, option, host string) string {
	for _, name := range []string{host + "::" + option, option} {
		if v := find("Acquire::https::" + name); v != "" {
			return v
		}
	}
	return ""
}

// AptTLSIgnored lists what apt's configuration says about https that satchel does not
// follow, with the reason, in the order of the manual. hosts are those of archives, for
// which there may be options of their own.
func AptTLSIgnored(find func(string) string, hosts []string) []string {
	var said []string
	for _, o := range []struct{ option, off, why string }{
		{"Verify-Peer", "false", "a server always proves who it is: name its authority with CAInfo"},
		{"Verify-Host", "false", "a certificate always has to be for the host that is asked"},
		{"CRLFile", "", "lists of revoked certificates are not read"},
		{"IssuerCert", "", "which authority of those that are trusted has issued a certificate does not matter"},
	} {
		names := []string{o.option}
		for _, h := range hosts {
			names = append(names, h+"::"+o.option)
		}
		for _, n := range names {
			v := find("Acquire::https::" + n)
			if v == "" || o.off != "" && !slices.Contains([]string{"false", "no", "0", "off", "without", "disable"}, strings.ToLower(v)) {
				continue
			}
			said = append(said, fmt.Sprintf("apt's Acquire::https::%s is not followed: %s", n, o.why))
		}
	}
	return said
}

// byHost is a transport that keeps connections apart by how hosts want to be
// asked, so that a client's certificate goes to the host that it is for alone.
type byHost struct {
	usual *http.Transport
	tls   TLS

	mu    sync.Mutex
	hosts map[string]*http.Transport
}

func (b *byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || b.tls == nil {
		return b.usual.RoundTrip(r)
	}
	t, err := b.transport(strings.ToLower(r.URL.Hostname()))
	if err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close())
		}
		return nil, err
	}
	return t.RoundTrip(r)
}

func (b *byHost) transport(host string) (*http.Transport, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.hosts[host]; t != nil {
		return t, nil
	}
	conf, err := b.tls(host)
	if err != nil {
		return nil, err
	}
	t := b.usual
	if conf != nil {
		t = b.usual.Clone()
		t.TLSClientConfig = conf
	}
	if b.hosts == nil {
		b.hosts = map[string]*http.Transport{}
	}
	b.hosts[host] = t
	return t, nil
}

// CloseIdleConnections ends the connections that are kept for further requests.
func (b *byHost) CloseIdleConnections() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usual.CloseIdleConnections()
	for _, t := range b.hosts {
		t.CloseIdleConnections()
	}
}
