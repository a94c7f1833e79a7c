package tunnel

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.ngrok.com/ngrok/v2"
	"golang.ngrok.com/ngrok/v2/rpc"
)

// Ngrok is the provider ngrok.com, by its Go SDK in this process. The SDK
// would reconnect by itself, for ever and with no regard to why a line was
// refused; here each line has one connection of the SDK, and the [Keeper]
// decides about the next.
type Ngrok struct {
	// Authtoken is asked before each connection, so that a new one counts.
	Authtoken  func(context.Context) (string, error)
	ConnectURL string // host:port of a custom agent ingress; "" is ngrok's own
	ConnectCAs string // PEM file with the authorities of that ingress, or ""
	Version    string // Drawbridge's own, for ngrok's dashboard
}

// Name is "ngrok".
func (n Ngrok) Name() string { return "ngrok" }

// Open connects once and asks for url.
func (n Ngrok) Open(ctx context.Context, url string) (*Line, error) {
	token, err := n.Authtoken(ctx)
	if err != nil {
		return nil, err
	}
	call := &ngrokCall{token: token, lost: make(chan error, 1)}
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
	l := &ngrokListener{EndpointListener: endpoint, call: call}
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
	token  string
	cancel context.CancelFunc // of the SDK's session
	lost   chan error         // holds one: why an open line is gone

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
	conn, err := (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
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

// explain makes a sentence of what the SDK says. ngrok's own text is not shown
// where it is about the authtoken, which it repeats.
func (c *ngrokCall) explain(err error) error {
	c.mu.Lock()
	if c.first != nil {
		err = c.first // what came after it is that there is no second connection
	}
	c.mu.Unlock()
	code := ngrokCode(err)
	if msg, known := ngrokSays[code]; known {
		return &Error{Code: code, Msg: msg, Fatal: true, Taken: code == codeTaken}
	}
	if code != "" {
		return &Error{Code: code, Msg: "ngrok refuses the tunnel; ngrok.com/docs/errors/" + strings.ToLower(code) + " says what to do", Err: c.redact(err)}
	}
	var dns *net.DNSError
	var cert x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &dns):
		return &Error{Msg: "the name of ngrok's server does not resolve: is this computer online?", Err: c.redact(err)}
	case errors.As(err, &cert):
		return &Error{Msg: "ngrok's server shows a certificate that is not ngrok's: something between here and there opens the connection. Ask who runs this network, or set [tunnel] connect_cas", Err: c.redact(err)}
	case errors.As(err, &invalid):
		return &Error{Msg: "ngrok's certificate is not valid at this computer's time: check its clock", Err: c.redact(err)}
	}
	return &Error{Msg: "ngrok can't be reached", Err: c.redact(err)}
}

func (c *ngrokCall) redact(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if c.token != "" {
		text = strings.ReplaceAll(text, c.token, "[secret]")
	}
	return errors.New(text)
}

// ngrokCode returns the ERR_NGROK code of an error, or "". The SDK has two
// types for it, one of them internal.
func ngrokCode(err error) string {
	var public ngrok.Error
	if errors.As(err, &public) {
		return public.Code()
	}
	var internal interface{ ErrorCode() string }
	if errors.As(err, &internal) {
		return internal.ErrorCode()
	}
	return ""
}

// ngrokListener is an endpoint whose end is noticed, and whose Close returns
// although ngrok does not answer.
type ngrokListener struct {
	ngrok.EndpointListener
	call *ngrokCall
	once sync.Once
}

// Accept also tells when the endpoint was stopped from the other side.
func (l *ngrokListener) Accept() (net.Conn, error) {
	conn, err := l.EndpointListener.Accept()
	if err != nil {
		if code := ngrokCode(err); code != "" {
			l.call.tell(l.call.stopped(code))
		}
		return nil, fmt.Errorf("the tunnel takes no more visitors: %w", l.call.redact(err))
	}
	return conn, nil
}

// stopped is why ngrok closed the endpoint under a session that lives on.
func (c *ngrokCall) stopped(code string) error {
	if msg, known := ngrokSays[code]; known {
		return &Error{Code: code, Msg: msg, Fatal: true, Taken: code == codeTaken}
	}
	return &Error{Code: code, Msg: "ngrok closed the endpoint; ngrok.com/docs/errors/" + strings.ToLower(code) + " says why"}
}

// closeTime is how long ngrok may take to confirm that an endpoint is closed.
const closeTime = time.Second

// Close asks ngrok to send no more visitors. Those who are on their way are
// sent off: the SDK would wait until somebody takes them.
func (l *ngrokListener) Close() error {
	l.once.Do(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = l.EndpointListener.Close()
		}()
		go func() {
			for {
				conn, err := l.EndpointListener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		select {
		case <-closed:
		case <-time.After(closeTime):
		}
	})
	return nil
}
