package tunnel

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.ngrok.com/ngrok/v2"
	"golang.ngrok.com/ngrok/v2/rpc"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// Ngrok is the provider ngrok.com, by its Go SDK in this process. The SDK
// would reconnect by itself, for ever and with no regard to why a line was
// refused; here each line has one connection of the SDK, and the [Keeper]
// decides about the next.
type Ngrok struct {
	// Authtoken is asked before each connection, so that a new one counts.
	Authtoken  func(context.Context) (string, error)
	ConnectURL string            // host:port of a custom agent ingress; "" is ngrok's own
	ConnectCAs string            // PEM file with the authorities of that ingress, or ""
	Network    *outbound.Network // the way there; nil: the environment's
	Version    string            // Drawbridge's own, for ngrok's dashboard
}

// Name is "ngrok".
func (n Ngrok) Name() string { return "ngrok" }

// Open connects once and asks for url.
func (n Ngrok) Open(ctx context.Context, url string) (*Line, error) {
	token, err := n.Authtoken(ctx)
	if err != nil {
		return nil, err
	}
	call := &ngrokCall{token: token, network: n.Network, lost: make(chan error, 1)}
	agent, err := n.agent(call)
	if err != nil {
		return nil, err
	}
	// The SDK ties the whole session to Connect's context, and asks for an
	// endpoint with no regard to any: so it gets one of the line's own, and
	// giving up cuts the connection under it.
	var session context.Context
	session, call.cancel = context.WithCancel(context.Background())
	giveUp := context.AfterFunc(ctx, call.cut)
	endpoint, err := call.open(session, agent, url)
	if !giveUp() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = call.explain(err) // before the cut, which is another disconnection
		call.cut()
		_ = agent.Disconnect()
		return nil, err
	}
	call.opened()
	l := newNgrokListener(endpoint, call)
	return &Line{Listener: l, URL: strings.TrimSuffix(endpoint.URL().String(), "/"), Lost: call.lost,
		Hangup: func() {
			call.cut()
			_ = agent.Disconnect()
			_ = l.Close()
		}}, nil
}

// agent is the SDK, set up for one connection.
func (n Ngrok) agent(call *ngrokCall) (ngrok.Agent, error) {
	options := []ngrok.AgentOption{
		ngrok.WithAuthtoken(call.token),
		ngrok.WithAgentMetadata("Drawbridge " + n.Version),
		ngrok.WithLogger(slog.New(slog.DiscardHandler)), // it would log what keeps a session apart from a thief's
		ngrok.WithDialer(call),
		ngrok.WithTLSConfig(n.Network.TrustToo), // what an inspecting proxy shows is not ngrok's
		ngrok.WithEventHandler(call.event),
		ngrok.WithRPCHandler(call.command),
	}
	if n.ConnectURL != "" {
		options = append(options, ngrok.WithAgentConnectURL(n.ConnectURL))
	}
	if n.ConnectCAs != "" {
		pem, err := os.ReadFile(n.ConnectCAs)
		if err != nil {
			return nil, &Error{Msg: "the file of [tunnel] connect_cas can't be read: mend it, then run `drawbridge tunnel retry`", Fatal: true, Err: err}
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &Error{Msg: "the file of [tunnel] connect_cas holds no certificate in PEM form: mend it, then run `drawbridge tunnel retry`", Fatal: true}
		}
		options = append(options, ngrok.WithAgentConnectCAs(pool))
	}
	agent, err := ngrok.NewAgent(options...)
	if err != nil {
		return nil, &Error{Msg: "ngrok's library can't be set up", Fatal: true, Err: err}
	}
	return agent, nil
}

// ngrokCall is one connection to ngrok, from dialling to its end.
type ngrokCall struct {
	token   string
	network *outbound.Network
	cancel  context.CancelFunc // of the SDK's session
	lost    chan error         // holds one: why an open line is gone

	mu     sync.Mutex // guards all below
	conn   net.Conn   // nil before it is dialled
	ended  bool
	isOpen bool
	first  error // what went wrong before the line was open
}

// open is Connect and Listen. Connect returns on a refusal only because event
// ends its context.
func (c *ngrokCall) open(session context.Context, agent ngrok.Agent, url string) (ngrok.EndpointListener, error) {
	if err := agent.Connect(session); err != nil {
		return nil, err
	}
	options := []ngrok.EndpointOption{ngrok.WithDescription("Drawbridge")}
	if url != "" {
		options = append(options, ngrok.WithURL(url))
	}
	return agent.Listen(session, options...)
}

// errOneConnection keeps the SDK from reconnecting.
var errOneConnection = errors.New("this connection to ngrok has ended")

// Dial is there for the SDK's interface.
func (c *ngrokCall) Dial(network, address string) (net.Conn, error) {
	return c.DialContext(context.Background(), network, address)
}

// DialContext dials once: the SDK's own second attempt fails, which ends it.
func (c *ngrokCall) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	again := c.conn != nil || c.ended
	c.mu.Unlock()
	if again {
		return nil, errOneConnection
	}
	conn, err := c.network.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = conn.Close()
		return nil, errOneConnection
	}
	c.conn = conn
	return conn, nil
}

// event hears of the SDK's session; it must not block, nor call the agent,
// which holds its lock while it connects.
func (c *ngrokCall) event(e ngrok.Event) {
	gone, ok := e.(*ngrok.EventAgentDisconnected)
	if !ok || gone.Error == nil {
		return
	}
	c.mu.Lock()
	if c.first == nil {
		c.first = gone.Error
	}
	isOpen := c.isOpen
	c.mu.Unlock()
	if isOpen {
		c.tell(c.explain(gone.Error))
		return
	}
	c.cancel()
}

// command is what somebody did in ngrok's dashboard.
func (c *ngrokCall) command(_ context.Context, _ ngrok.AgentSession, r rpc.Request) ([]byte, error) {
	switch r.Method() {
	case rpc.StopAgentMethod:
		c.tell(&Error{Msg: "the tunnel was stopped in ngrok's dashboard. To open it again, run `drawbridge tunnel retry`", Fatal: true})
	case rpc.RestartAgentMethod:
		c.tell(&Error{Msg: "the tunnel was restarted in ngrok's dashboard"})
	default:
		return nil, errors.New("Drawbridge is updated on its own computer")
	}
	return nil, nil
}

func (c *ngrokCall) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isOpen = true
	if c.first != nil { // lost in the instant before
		c.tell(c.explain(c.first))
	}
}

// tell says once that the line is gone.
func (c *ngrokCall) tell(err error) {
	select {
	case c.lost <- err:
	default:
	}
}

// cut ends the connection, whatever the SDK is waiting for.
func (c *ngrokCall) cut() {
	c.mu.Lock()
	c.ended = true
	conn := c.conn
	c.mu.Unlock()
	c.cancel()
	if conn != nil {
		_ = conn.Close()
	}
}

// closeTime is how long ngrok may take to confirm that an endpoint is closed.
const closeTime = time.Second
