package edge

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"golang.ngrok.com/muxado/v2"
)

// The types of streams.
const (
	streamAuth       = 0
	streamBind       = 1
	streamUnbind     = 2
	streamProxy      = 3
	streamStop       = 5
	streamServerInfo = 8
	streamStopTunnel = 9
)

// session is a connected agent.
type session struct {
	edge  *Edge
	conn  net.Conn
	mux   muxado.TypedStreamSession
	token string
}

type message map[string]any

func (e *Edge) acceptAgents() {
	for {
		conn, err := e.agents.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		away := e.away
		e.mu.Unlock()
		if away {
			_ = conn.Close()
			continue
		}
		e.work.Go(func() { e.serveAgent(conn) })
	}
}

func (e *Edge) serveAgent(conn net.Conn) {
	transport := tls.Server(freezable{conn, e}, &tls.Config{GetCertificate: e.certs.forName})
	// The heartbeat is not started: it only answers the agent's.
	mux := muxado.NewHeartbeat(muxado.NewTypedStreamSession(muxado.Server(transport, &muxado.Config{})), nil, nil)
	s := &session{edge: e, conn: conn, mux: mux}
	e.mu.Lock()
	e.sessions[s] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.sessions, s)
		for host, r := range e.routes {
			if r.session == s {
				delete(e.routes, host)
			}
		}
		e.mu.Unlock()
		_ = mux.Close()
		_ = conn.Close()
	}()
	for {
		stream, err := mux.AcceptTypedStream()
		if err != nil {
			return
		}
		e.work.Go(func() { s.answer(stream) })
	}
}

// answer answers one question of the agent.
func (s *session) answer(stream muxado.TypedStream) {
	defer stream.Close()
	var q struct {
		ClientID string `json:"ClientId"`
		ID       string `json:"Id"`
		Proto    string
		Opts     json.RawMessage
		Extra    struct{ Authtoken string }
	}
	if json.NewDecoder(stream).Decode(&q) != nil {
		return
	}
	var a any = message{"Error": ""}
	switch stream.StreamType() {
	case streamAuth:
		a = s.login(q.ClientID, q.Extra.Authtoken)
	case streamBind:
		a = s.bind(q.ID, q.Proto, q.Opts)
	case streamUnbind:
		s.unbind(q.ID)
	case streamServerInfo:
		a = message{"Region": "test"}
	}
	_ = json.NewEncoder(stream).Encode(a)
}

func (s *session) login(clientID, authtoken string) message {
	e := s.edge
	e.mu.Lock()
	e.logins = append(e.logins, time.Now())
	e.ids++
	n, refuse := e.ids, e.opts.Refuse
	s.token = authtoken
	e.mu.Unlock()
	problem := ""
	if refuse != nil {
		problem = refuse(authtoken, "")
	}
	if clientID == "" {
		clientID = fmt.Sprintf("agent-%d", n)
	}
	return message{"Version": "3", "ClientId": clientID, "Error": problem, "Extra": message{"Version": "test", "Region": "test", "Cookie": "test",
		"AccountName": "test", "PlanName": "test", "AgentSessionID": fmt.Sprintf("ts_%d", n)}}
}

func (s *session) bind(id, proto string, opts json.RawMessage) message {
	var want struct{ URL, Domain, Hostname string }
	_ = json.Unmarshal(opts, &want)
	e := s.edge
	o := e.options()
	address := want.URL
	if address == "" {
		host := want.Domain + want.Hostname
		if host == "" {
			host = o.Domain
		}
		address = proto + "://" + host
	}
	if o.Give != "" {
		address = o.Give
	}
	if o.Refuse != nil {
		if problem := o.Refuse(s.token, address); problem != "" {
			return message{"Error": problem}
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return message{"Error": err.Error()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.routes[u.Hostname()]; r != nil && r.session != s {
		return message{"Error": "failed to start tunnel: The endpoint '" + address + "' is already online.\n\nERR_NGROK_334\n"}
	}
	if id == "" {
		e.ids++
		id = fmt.Sprintf("endpoint-%d", e.ids)
	}
	e.routes[u.Hostname()] = &route{s, id}
	return message{"Id": id, "URL": address, "Proto": proto, "Opts": opts, "Error": "", "Extra": message{"Token": "test", "TunnelID": "tn_" + id}}
}

func (s *session) unbind(id string) {
	e := s.edge
	e.mu.Lock()
	defer e.mu.Unlock()
	for host, r := range e.routes {
		if r.session == s && r.id == id {
			delete(e.routes, host)
		}
	}
}

// StopEndpoint closes host from this side, for a reason that has a code.
func (e *Edge) StopEndpoint(host, code, reason string) error {
	e.mu.Lock()
	r := e.routes[host]
	delete(e.routes, host)
	e.mu.Unlock()
	if r == nil {
		return fmt.Errorf("no endpoint %s", host)
	}
	return r.session.say(streamStopTunnel, message{"Id": r.id, "Message": reason, "ErrorCode": code})
}

// StopAgents asks every agent to stop, as a button in the dashboard does.
func (e *Edge) StopAgents() {
	e.mu.Lock()
	all := slices.Collect(maps.Keys(e.sessions))
	e.mu.Unlock() // which bytes on their way need
	for _, s := range all {
		_ = s.say(streamStop, message{})
	}
}

func (s *session) say(kind muxado.StreamType, m message) error {
	stream, err := s.mux.OpenTypedStream(kind)
	if err != nil {
		return err
	}
	return json.NewEncoder(stream).Encode(m)
}

// open is a visitor's connection: the length of a JSON header, the header, and
// then what the visitor sends.
func (r *route) open(client string) (net.Conn, error) {
	stream, err := r.session.mux.OpenTypedStream(streamProxy)
	if err != nil {
		return nil, err
	}
	header, err := json.Marshal(message{"Id": r.id, "ClientAddr": client, "Proto": "https", "EdgeType": "3", "PassthroughTLS": false})
	if err != nil {
		return nil, err
	}
	if err := binary.Write(stream, binary.LittleEndian, int64(len(header))); err != nil {
		return nil, err
	}
	if _, err := stream.Write(header); err != nil {
		return nil, err
	}
	return stream, nil
}

// freezable is an agent's connection that can be held up.
type freezable struct {
	net.Conn
	edge *Edge
}

func (c freezable) wait() {
	c.edge.mu.Lock()
	frozen := c.edge.frozen
	c.edge.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (c freezable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wait()
	return n, err
}

func (c freezable) Write(p []byte) (int, error) {
	c.wait()
	return c.Conn.Write(p)
}
