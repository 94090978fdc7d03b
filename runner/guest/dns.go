//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// refuserAddress is where the container's /etc/resolv.conf points.
const refuserAddress = "127.0.0.1:53"

// maxLookups bounds what is remembered of a script that asks without end.
const maxLookups = 256

// refuser answers every DNS question inside the container with a refusal and
// remembers the names, so that a script that wants the network fails with what
// it wanted. It is no way out: the container has a loopback interface only.
type refuser struct {
	servers []*dns.Server
	mu      sync.Mutex
	names   map[string]bool
}

// startRefuser listens on refuserAddress, UDP and TCP.
func startRefuser(ctx context.Context) (*refuser, error) {
	r := &refuser{names: map[string]bool{}}
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp4", refuserAddress)
	if err != nil {
		return nil, fmt.Errorf("starting the resolver that refuses: %w", err)
	}
	ln, err := lc.Listen(ctx, "tcp4", refuserAddress)
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("starting the resolver that refuses: %w", err)
	}
	r.servers = []*dns.Server{
		{PacketConn: pc, Handler: r},
		{Listener: ln, Handler: r, ReadTimeout: 5 * time.Second, MaxTCPQueries: 64},
	}
	for _, s := range r.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		failed := make(chan error, 1)
		go func() { failed <- s.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-failed:
			r.Close()
			return nil, fmt.Errorf("starting the resolver that refuses: %w", err)
		}
	}
	return r, nil
}

// ServeDNS notes the names that are asked for and refuses.
func (r *refuser) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	for _, question := range q.Question {
		r.note(question.Name)
	}
	m := new(dns.Msg)
	m.SetRcode(q, dns.RcodeRefused)
	_ = w.WriteMsg(m) // who asked may be gone
}

func (r *refuser) note(name string) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != "" && len(r.names) < maxLookups {
		r.names[name] = true
	}
}

// Names returns what was asked for, sorted, each once.
func (r *refuser) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.names))
	for n := range r.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Close stops answering.
func (r *refuser) Close() {
	for _, s := range r.servers {
		_ = s.Shutdown() // an error means that it does not run
	}
}
