package fetch

import (
	"net/http"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// Transport is what the client makes its requests with, for others who have
// requests of their own to make: same proxies, same time-outs.
func (c *Client) Transport() http.RoundTripper { return c.rt }

// Proxy says which proxy a request goes through; nil means none.
type Proxy = func(*http.Request) (*url.URL, error)

// ProxyFrom returns a Proxy that follows the usual variables
// (http_proxy, https_proxy, no_proxy, in either case), which getenv looks up.
func ProxyFrom(getenv func(string) string) Proxy {
	c := httpproxy.Config{
		HTTPProxy: either(getenv, "HTTP_PROXY", "http_proxy"), HTTPSProxy: either(getenv, "HTTPS_PROXY", "https_proxy"),
		NoProxy: either(getenv, "NO_PROXY", "no_proxy"), CGI: getenv("REQUEST_METHOD") != "",
	}
	proxy := c.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
}

// either is the value of the first of two variables that has one.
func either(getenv func(string) string, upper, lower string) string {
	if v := getenv(upper); v != "" {
		return v
	}
	return getenv(lower)
}
