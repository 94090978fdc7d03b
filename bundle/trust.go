package bundle

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SignedBy is one signature of a bundle and what became of it.
type SignedBy struct {
	Fingerprint string   `json:"fingerprint"`          // "SHA256:…", as ssh-keygen -l prints it
	Type        string   `json:"type"`                 // "ssh-ed25519", …
	Principals  []string `json:"principals,omitempty"` // from the keyring
	Trusted     bool     `json:"trusted"`
	Why         string   `json:"why,omitempty"` // why it is not trusted
}

func (s SignedBy) String() string {
	out := s.Fingerprint
	if len(s.Principals) > 0 {
		out = fmt.Sprintf("%q %s", strings.Join(s.Principals, ","), out)
	}
	if s.Why != "" {
		out += " (" + s.Why + ")"
	}
	return out
}

// Match says whether the key may sign for the namespace at the time now, and the
// principals of its lines. Without such a line, why says what the nearest one
// lacks; known is false if there is none of this key at all.
func (s *Signers) Match(key ssh.PublicKey, namespace string, now time.Time) (principals []string, known bool, why string) {
	lines, why := s.matchKey(key, namespace, now)
	for _, a := range lines {
		principals = append(principals, a.principals...)
		if len(a.principals) == 0 && a.label != "" {
			principals = append(principals, a.label)
		}
	}
	return principals, why != strangeKey, why
}

// strangeKey says that no line of a keyring has the key.
const strangeKey = "its key is not in the keyring"

// matchKey looks for lines of the key that are good for a signature at the
// time now. Without such a line, why says what the nearest one lacks.
func (s *Signers) matchKey(key ssh.PublicKey, namespace string, now time.Time) (lines []allowed, why string) {
	why = strangeKey
	if s == nil {
		return nil, why
	}
	want := key.Marshal()
	for _, a := range s.entries {
		if !bytes.Equal(a.key.Marshal(), want) {
			continue
		}
		switch {
		case a.namespaces != nil && !matchList(a.namespaces, namespace):
			why = fmt.Sprintf("its key may not sign for %q", namespace)
		case (!a.after.IsZero() || !a.before.IsZero()) && now.IsZero():
			why = "its key is valid for a time only, and no time was given"
		case !a.after.IsZero() && now.Before(a.after):
			why = "its key is not valid yet: valid-after " + a.after.Format(time.RFC3339) + clockSays(now)
		case !a.before.IsZero() && now.After(a.before):
			why = "its key is not valid any more: valid-before " + a.before.Format(time.RFC3339) + clockSays(now)
		default:
			lines = append(lines, a)
		}
	}
	if lines != nil {
		why = ""
	}
	return lines, why
}

// clockSays ends what is said of a key whose time it is not: a clock may be what is wrong.
func clockSays(now time.Time) string {
	return ", and by this machine's clock it is " + now.UTC().Format(time.DateOnly)
}

// expected lists whom the keyring names, for messages.
func (s *Signers) expected() []string {
	if s == nil {
		return nil
	}
	var out []string
	for _, a := range s.entries {
		name := strings.Join(a.principals, ",")
		if name == "" {
			name = a.label
		}
		who := ssh.FingerprintSHA256(a.key)
		if name != "" {
			who = fmt.Sprintf("%.60q %s", name, who)
		}
		out = append(out, who)
	}
	sort.Strings(out)
	return out
}

// independent counts signers. A key counts once however often it signed, and
// keys that share a principal are one person. A pattern with a wildcard names
// no one person and joins nothing.
func independent(signers [][]allowed) int {
	parent := map[string]string{}
	var root func(string) string
	root = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			parent[s] = root(p)
			return parent[s]
		}
		parent[s] = s
		return s
	}
	var keys []string
	for _, lines := range signers {
		for _, a := range lines {
			key := "key " + string(a.key.Marshal())
			keys = append(keys, key)
			for _, p := range a.principals {
				if !strings.ContainsAny(p, "*?!") {
					parent[root("who "+p)] = root(key)
				}
			}
		}
	}
	groups := map[string]bool{}
	for _, k := range keys {
		groups[root(k)] = true
	}
	return len(groups)
}

// matchList is OpenSSH's pattern list: some pattern matches, and none that
// begins with "!" does.
func matchList(list []string, s string) bool {
	found := false
	for _, p := range list {
		negated, isNegated := strings.CutPrefix(p, "!")
		if isNegated && match(negated, s) {
			return false
		}
		found = found || !isNegated && match(p, s)
	}
	return found
}

// match knows * and ?; it never tries more than len(p)*len(s) steps.
func match(p, s string) bool {
	i, j, star, back := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, back = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			back++
			i, j = star+1, back
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
