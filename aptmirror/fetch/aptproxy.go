package fetch

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// AptProxy returns a Proxy that asks the hosts of archives as apt does:
// through Acquire::http::Proxy::HOST, else Acquire::http::Proxy, else what the
// usual variables say; for https Acquire::https has the first word. DIRECT means
// no proxy, and what no_proxy names and this machine itself have none. Other hosts go by the variables
// alone: a proxy for archives often serves nothing else.
//
// find looks a name up in apt's configuration, getenv a variable; archive tells
// whether a host is an archive's.
func AptProxy(find, getenv func(string) string, archive func(host string) bool) Proxy {
	usual := ProxyFrom(getenv)
	return func(r *http.Request) (*url.URL, error) {
		if !archive(r.URL.Hostname()) {
			return usual(r)
		}
		switch v := aptProxy(find, r.URL); v {
		case "":
			return usual(r)
		case "DIRECT":
			return nil, nil
		default:
			asks := httpproxy.Config{HTTPProxy: "http://proxy", HTTPSProxy: "http://proxy", NoProxy: either(getenv, "NO_PROXY", "no_proxy")}
			if u, err := asks.ProxyFunc()(r.URL); u == nil || err != nil {
				return nil, err
			}
			if !strings.Contains(v, "://") {
				v = "http://" + v
			}
			u, err := url.Parse(v)
			if err != nil || u.Host == "" || !proxyScheme(u.Scheme) { // its text is not shown: there may be a password in it
				return nil, errors.New("the proxy of apt's configuration (Acquire::" + r.URL.Scheme + "::Proxy) is no http, https or socks5 address: correct it, or set it to DIRECT")
			}
			return u, nil
		}
	}
}

// aptProxy is the value that apt would use; "" if there is none.
func aptProxy(find func(string) string, u *url.URL) string {
	schemes := []string{"http"}
	if u.Scheme == "https" {
		schemes = []string{"https", "http"}
	}
	for _, below := range []string{"::Proxy::" + u.Hostname(), "::Proxy"} {
		for _, s := range schemes {
			if v := find("Acquire::" + s + below); v != "" {
				return v
			}
		}
	}
	return ""
}

func proxyScheme(s string) bool {
	return s == "http" || s == "https" || s == "socks5" || s == "socks5h"
}
