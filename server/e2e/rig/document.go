package rig

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// RawDocument serves anything at all in a document's place.
func RawDocument(t *testing.T, serve http.HandlerFunc) (id string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(serve)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{Certificate().Pair}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/client.json"
}

// Published is a metadata document that counts its readers and can change.
type Published struct {
	ID string

	mu     sync.Mutex // guards the rest
	doc    map[string]any
	reads  int
	status int
	header http.Header
}

func Publish(t *testing.T, redirectURIs ...string) *Published {
	t.Helper()
	p := &Published{status: http.StatusOK, header: http.Header{}}
	p.ID = RawDocument(t, p.serve)
	p.doc = map[string]any{"client_id": p.ID, "client_name": "Published client", "redirect_uris": redirectURIs, "token_endpoint_auth_method": "none"}
	return p
}

func (p *Published) Client() Client { return Client{ID: p.ID, RedirectURI: ClientURI} }

// Reads returns how often the document was asked for.
func (p *Published) Reads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads
}

// Set changes a field; nil takes it out.
func (p *Published) Set(field string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doc[field] = value
	if value == nil {
		delete(p.doc, field)
	}
}

// Answer changes the status, and adds headers by pairs of name and value.
func (p *Published) Answer(status int, headers ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
	for i := 0; i+1 < len(headers); i += 2 {
		p.header.Add(headers[i], headers[i+1])
	}
}

func (p *Published) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(p.doc)
}
