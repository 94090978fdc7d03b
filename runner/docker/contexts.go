package docker

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/client"
)

// The docker command keeps named daemons ("docker context") in its folder:
// config.json says which is the current one, and contexts/ holds the SHA-256 of
// its name as a folder of meta/, where its address is, and of tls/, where its
// certificates are.

// contextName is the name of the chosen context, "" if there is none.
func (s surroundings) contextName() (string, error) {
	if name := s.env("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	err := readJSON(filepath.Join(s.folder(), "config.json"), &config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading which docker context is the current one: %w; or set DOCKER_HOST", err)
	}
	return config.CurrentContext, nil
}

// folder is the docker command's own.
func (s surroundings) folder() string {
	if d := s.env("DOCKER_CONFIG"); d != "" {
		return d
	}
	return filepath.Join(s.home, ".docker")
}

// context is how to reach the daemon of a context.
func (s surroundings) context(name string) ([]client.Opt, error) {
	opts, err := readContext(filepath.Join(s.folder(), "contexts"), name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; \"docker context ls\" lists those that are there", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading docker context %q: %w", name, err)
	}
	return append(opts, client.WithVersionFromEnv()), nil
}

func readContext(folder, name string) ([]client.Opt, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints struct {
			Docker struct {
				Host          string
				SkipTLSVerify bool
			} `json:"docker"`
		}
	}
	if err := readJSON(filepath.Join(folder, "meta", id, "meta.json"), &meta); err != nil {
		return nil, err
	}
	host := meta.Endpoints.Docker.Host
	if host == "" {
		return nil, errors.New("it names no docker daemon")
	}
	if strings.HasPrefix(host, "ssh://") {
		return overSSH("docker context "+name, host)
	}
	at := []client.Opt{client.WithHost(host)}
	if strings.HasPrefix(host, "unix:") {
		return at, nil // whatever certificates there are
	}
	secure, err := readTLS(filepath.Join(folder, "tls", id, "docker"), meta.Endpoints.Docker.SkipTLSVerify)
	if err != nil || secure == nil {
		return at, err
	}
	dialer := net.Dialer{Timeout: 30 * time.Second}
	return append([]client.Opt{client.WithHTTPClient(&http.Client{
		Transport: &http.Transport{TLSClientConfig: secure, DialContext: dialer.DialContext}, CheckRedirect: client.CheckRedirect,
	})}, at...), nil
}

// readTLS reads what there is of ca.pem, cert.pem and key.pem; nil if nothing
// is, and the connection is a plain one.
func readTLS(folder string, skip bool) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skip} // as the context's owner has chosen
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err == nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s/ca.pem holds no certificate", folder)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err == nil {
		config.Certificates = []tls.Certificate{pair}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if config.RootCAs == nil && config.Certificates == nil && !skip {
		return nil, nil
	}
	return config, nil
}

// readJSON reads a file of the docker command, which writes more than is asked for.
func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
