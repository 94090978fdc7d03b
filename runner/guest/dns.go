//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// refuserAddress is where the container's /etc/resolv.conf points.
const refuserAddress = "127.0.0.1:53"

// refuser answers every DNS question inside the container with a refusal and
// notes who asked for which name, so that a script that wants the network fails with what
// it wanted. It is no way out: the container has a loopback interface only.
type refuser struct {
	servers []*dns.Server
	asked   *asked
}

// startRefuser listens on refuserAddress, UDP and TCP.
func startRefuser(ctx context.Context, asked *asked) (*refuser, error) {
	r := &refuser{asked: asked}
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
		r.asked.name(question.Name, w.RemoteAddr())
	}
	m := new(dns.Msg)
	m.SetRcode(q, dns.RcodeRefused)
	_ = w.WriteMsg(m) // who asked may be gone
}

// Close stops answering.
func (r *refuser) Close() {
	for _, s := range r.servers {
		_ = s.Shutdown() // an error means that it does not run
	}
}
