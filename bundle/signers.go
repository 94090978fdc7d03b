package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	maxSignersSize = 1 << 20
	maxSignerLine  = 32 << 10
)

// Signers is a list of keys that a caller trusts to sign bundles. A nil
// *Signers trusts nobody.
type Signers struct{ entries []allowed }

// allowed is one line.
type allowed struct {
	principals    []string // patterns; none for a plain .pub line
	key           ssh.PublicKey
	namespaces    []string // patterns; none: any
	after, before time.Time
	label         string // the comment of a .pub line
}

// ParseSigners reads a list of trusted keys: lines of OpenSSH's allowed_signers
// format (ssh-keygen(1), ALLOWED SIGNERS) or plain .pub lines, also mixed. name
// is for messages.
//
// Refused, with the line's number: cert-authority (a bundle is signed by
// people, not by whom an authority may name later), an unknown option, and a
// time without the final Z (it would mean something else on each machine).
func ParseSigners(name string, data []byte) (*Signers, error) {
	if len(data) > maxSignersSize {
		return nil, fmt.Errorf("reading keyring %s: it has %d bytes, the limit is %d", name, len(data), maxSignersSize)
	}
	if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil, fmt.Errorf("reading keyring %s: this is a private key; give the .pub file", name)
	}
	s := &Signers{}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAllowed(line)
		if err != nil {
			return nil, fmt.Errorf("reading keyring %s, line %d: %w", name, i+1, err)
		}
		s.entries = append(s.entries, a)
	}
	if len(s.entries) == 0 {
		return nil, fmt.Errorf("reading keyring %s: it holds no key (want allowed_signers or .pub lines)", name)
	}
	return s, nil
}

func parseAllowed(line string) (allowed, error) {
	var a allowed
	if len(line) > maxSignerLine {
		return a, fmt.Errorf("it is longer than %d bytes", maxSignerLine)
	}
	if strings.IndexByte(line, 0) >= 0 {
		return a, errors.New("it holds a zero byte")
	}
	first, rest, err := word(line)
	if err != nil {
		return a, err
	}
	if !isKeyType(first) {
		if a.principals, err = patterns("principals", first); err != nil {
			return a, err
		}
		if first, rest, err = word(rest); err != nil {
			return a, err
		}
		if !isKeyType(first) {
			if err := a.options(first); err != nil {
				return a, err
			}
			if first, rest, err = word(rest); err != nil {
				return a, err
			}
		}
	}
	return a, a.readKey(first, rest)
}

// readKey reads "TYPE BASE64 COMMENT", TYPE being first.
func (a *allowed) readKey(kind, rest string) error {
	b64, comment, _ := strings.Cut(rest, " ")
	if i := strings.IndexByte(b64, '\t'); i >= 0 {
		b64, comment = b64[:i], b64[i+1:]+" "+comment
	}
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) == 0 {
		return fmt.Errorf("after %q there is no key in base64", shorten(kind))
	}
	if a.key, err = ssh.ParsePublicKey(raw); err != nil {
		return fmt.Errorf("reading key: %w", err)
	}
	if a.key.Type() != kind {
		return fmt.Errorf("it says %q, the key is of type %q", shorten(kind), a.key.Type())
	}
	a.label = strings.TrimSpace(comment)
	return checkKey(a.key)
}

// word takes the first word off a line; a word may hold quoted white space.
func word(s string) (first, rest string, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(s) && s[i+1] == '"':
			i++
		case (c == ' ' || c == '\t') && !quoted:
			return s[:i], strings.TrimLeft(s[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("a quotation mark has no end")
	}
	if s == "" {
		return "", "", errors.New("it ends too early: want principals, options, type, key")
	}
	return s, "", nil
}

// isKeyType tells a key type from principals. It knows the types that are not
// accepted too, so that the message can say so.
func isKeyType(s string) bool {
	switch strings.TrimSuffix(s, "-cert-v01@openssh.com") {
	case "ssh-ed25519", "ssh-rsa", "ssh-dss", "sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256",
		"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
		"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521":
		return true
	}
	return false
}

// options reads the options word of an allowed_signers line.
func (a *allowed) options(s string) error {
	for s != "" {
		name, rest := s, ""
		if i := strings.IndexAny(s, `,=`); i >= 0 {
			name, rest = s[:i], s[i:]
		}
		value, more, err := optionValue(name, rest)
		if err != nil {
			return err
		}
		switch strings.ToLower(name) {
		case "cert-authority":
			return errors.New("cert-authority is not accepted: list the keys of the people who sign")
		case "namespaces":
			if a.namespaces != nil {
				return errors.New("namespaces stands there twice")
			}
			a.namespaces, err = patterns("namespaces", value)
		case "valid-after":
			err = readTime(name, value, &a.after)
		case "valid-before":
			err = readTime(name, value, &a.before)
		default:
			err = fmt.Errorf("unknown option %q", shorten(name))
		}
		if err != nil {
			return err
		}
		s = more
	}
	if !a.after.IsZero() && !a.before.IsZero() && !a.after.Before(a.before) {
		return errors.New("valid-after is not before valid-before: the key would never be valid")
	}
	return nil
}

// optionValue reads `="value"` and the comma after it.
func optionValue(name, s string) (value, more string, err error) {
	if strings.HasPrefix(s, `="`) {
		end := strings.IndexByte(s[2:], '"')
		if end < 0 || strings.HasSuffix(s[2:2+end], `\`) {
			return "", "", fmt.Errorf("option %s: the value is not closed", shorten(name))
		}
		value, s = s[2:2+end], s[2+end+1:]
	} else if strings.HasPrefix(s, "=") {
		return "", "", fmt.Errorf("option %s: the value needs quotation marks", shorten(name))
	}
	if s == "" {
		return value, "", nil
	}
	if s[0] != ',' || len(s) == 1 {
		return "", "", fmt.Errorf("option %s: want a comma and the next option after it", shorten(name))
	}
	return value, s[1:], nil
}

// readTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z for UTC.
func readTime(name, value string, t *time.Time) error {
	if !t.IsZero() {
		return fmt.Errorf("%s stands there twice", name)
	}
	digits, utc := strings.CutSuffix(value, "Z")
	if !utc {
		return fmt.Errorf("%s=%q: end the time with Z, for UTC", name, shorten(value))
	}
	const form = "20060102150405"
	if n := len(digits); n != 8 && n != 12 && n != 14 {
		return fmt.Errorf("%s=%q: want YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z", name, shorten(value))
	}
	v, err := time.Parse(form[:len(digits)], digits)
	if err != nil || v.Year() < 1970 {
		return fmt.Errorf("%s=%q: want YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z", name, shorten(value))
	}
	*t = v
	return nil
}

// patterns splits a comma-separated list.
func patterns(what, s string) ([]string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	list := strings.Split(s, ",")
	for _, p := range list {
		if p == "" || p == "!" || strings.ContainsRune(p, '"') {
			return nil, fmt.Errorf("%s: %q is no list of patterns", what, shorten(s))
		}
	}
	return list, nil
}
