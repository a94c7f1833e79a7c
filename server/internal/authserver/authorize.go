package authserver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxForm is how large a form may be, in bytes.
const maxForm = 64 << 10

// Authorize answers GET and POST /authorize (RFC 6749 §3.1). It checks the
// request and sends the browser to the consent page. Until client and redirect
// URI are proven it redirects nowhere.
func (s *Server) Authorize(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		s.refuse(w, r, &identifying, err, whom{})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{ClientID: params.Get("client_id"), Client: documentHost(params.Get("client_id")), Host: oauth.RedirectHost(params.Get("redirect_uri")), Resource: params.Get("resource"), Server: status.ServerOf(strings.TrimPrefix(params.Get("resource"), s.Issuer))})
	client, err := s.client(r, params.Get("client_id"))
	if err != nil {
		s.refuse(w, r, &identifying, err, whom{})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{Client: client.Name})
	redirectURI, err := s.Grants.ProveRedirect(client, params.Get("redirect_uri"))
	if err != nil {
		s.refuse(w, r, &identifying, err, whom{client: client.Name})
		return
	}
	flow, err := s.Grants.Begin(oauth.BeginRequest{
		Client: client, RedirectURI: redirectURI, ResponseType: params.Get("response_type"), State: params.Get("state"),
		Challenge: params.Get("code_challenge"), Method: params.Get("code_challenge_method"), Scope: params.Get("scope"),
		Resource: params["resource"], Prompt: params.Get("prompt"), LoginHint: params.Get("login_hint"), Remote: remote(r),
	})
	if err != nil {
		s.refuse(w, r, &authorizing, err, whom{client.Name, redirectURI, params.Get("state")})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: timeline.Authorized, Flow: flow.ID})
	redirect(w, s.Issuer+"/consent?flow="+flow.ID)
}

// client returns the client of an id: registered here, known in advance, or
// described by the document at that address.
func (s *Server) client(r *http.Request, id string) (*oauth.Client, error) {
	if id == "" {
		return nil, oauth.InvalidClient("client_id is missing.")
	}
	if c, ok := s.Grants.Known(id); ok {
		return c, nil
	}
	switch {
	case !isDocumentURL(id):
	case s.NoDocuments:
		return nil, badDocument(nil, "Metadata documents are switched off here ([clients] metadata_documents in config.toml). The client should register instead.")
	default:
		known, ok := s.Grants.SignedIn(id)
		if !ok {
			known = nil
		}
		c, err := s.Documents.Client(r.Context(), id, actor(r), known)
		if err == nil && ok && c != known {
			s.Grants.Confirm(c)
		}
		return c, err
	}
	return nil, oauth.InvalidClient("This client is not registered here. It should register again; if it doesn't by itself, remove the connection in your client and add it anew.").Because(oauth.ErrClientUnknown)
}

// documentHost is what a client is called before its metadata document has been
// read: the host of its id, if that is a document's address.
func documentHost(id string) string {
	if !isDocumentURL(id) {
		return ""
	}
	return oauth.RedirectHost(id)
}

// parameters returns the query of a GET or the form of a POST. A parameter
// given twice is refused (RFC 6749 §3.1), but resource may be (RFC 8707 §2).
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	var params url.Values
	var err error
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err = r.ParseForm(); err != nil {
			return nil, tooLarge(err)
		}
		params = r.PostForm
	} else if params, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, oauth.InvalidRequest("The request's parameters are malformed.").Because(err)
	}
	for name, values := range params {
		if len(values) > 1 && name != "resource" {
			return nil, oauth.InvalidRequest("A parameter was given twice.")
		}
		for i, v := range values {
			values[i] = strings.Clone(v) // what is kept of a request must not keep all of it
		}
	}
	return params, nil
}
