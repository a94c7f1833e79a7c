package authserver

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// registrationRequest is what we read of RFC 7591 §2. The rest of what clients
// send has no meaning here.
type registrationRequest struct {
	RedirectURIs    []string `json:"redirect_uris"`
	ClientName      string   `json:"client_name"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	ApplicationType string   `json:"application_type"`
	Scope           string   `json:"scope"`
}

// registrationAnswer is RFC 7591 §3.2.1, for a public client.
type registrationAnswer struct {
	ClientID        string   `json:"client_id"`
	IssuedAt        int64    `json:"client_id_issued_at"`
	ClientName      string   `json:"client_name"`
	RedirectURIs    []string `json:"redirect_uris"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	ApplicationType string   `json:"application_type,omitempty"`
	Scope           string   `json:"scope,omitempty"`
}

// maxRegistration is how large a registration may be, in bytes.
const maxRegistration = 64 << 10

// Register answers POST /register (RFC 7591 §3). Whatever authentication a
// client asks for but private_key_jwt, it becomes a public client without a
// secret: claude.ai registers as confidential and is content with that.
func (s *Server) Register(w http.ResponseWriter, r *http.Request) {
	client, req, left, err := s.register(w, r)
	if err != nil {
		name := status.Clean(req.ClientName, 80)
		timeline.Note(r.Context(), timeline.Facts{Client: strings.TrimSpace(name)})
		s.refuse(w, r, &registering, err, whom{client: name})
		return
	}
	timeline.Note(r.Context(), timeline.Facts{What: timeline.Registered, ClientID: client.ID, Client: client.Name, Host: oauth.RedirectHost(client.RedirectURIs[0])})
	s.Recorder.Record(status.Event{Type: status.ClientRegistered, Outcome: status.OK, Client: client.Name, Remote: remote(r)})
	if uri := unlisted(left); uri != "" { // so that the owner can allow it
		s.Recorder.Record(status.Event{Type: status.ClientRefused, Outcome: status.Refused, Client: client.Name, RedirectURI: uri, Remote: remote(r),
			Reason: "registered without one of its redirect URIs, which is not on the list of those allowed here ([clients] redirect_uris)"})
	}
	writeJSON(w, http.StatusCreated, registrationAnswer{
		ClientID: client.ID, IssuedAt: client.Registered.Unix(), ClientName: client.Name, RedirectURIs: client.RedirectURIs,
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		AuthMethod: "none", ApplicationType: req.ApplicationType, Scope: req.Scope,
	})
}

// register also says which redirect URI the client was registered without.
func (s *Server) register(w http.ResponseWriter, r *http.Request) (client *oauth.Client, req registrationRequest, left, err error) {
	if s.NoRegistration {
		return nil, req, nil, oauth.AccessDenied("Registration is switched off here ([clients] registration in config.toml). Use a client with a metadata document, or one known in advance.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistration))
	if err != nil {
		return nil, req, nil, tooLarge(err)
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, registrationRequest{}, nil, oauth.InvalidClientMetadata("the body must be a JSON object of client metadata (RFC 7591 §2)").Because(err)
	}
	switch {
	case req.AuthMethod == "private_key_jwt":
		return nil, req, nil, oauth.InvalidClientMetadata("private_key_jwt needs a Client ID Metadata Document here")
	case len(req.GrantTypes) > 0 && !slices.Contains(req.GrantTypes, "authorization_code"):
		return nil, req, nil, oauth.InvalidClientMetadata("grant_types must include authorization_code")
	case len(req.ResponseTypes) > 0 && !slices.Contains(req.ResponseTypes, "code"):
		return nil, req, nil, oauth.InvalidClientMetadata("response_types must include code")
	}
	if req.ApplicationType != "web" && req.ApplicationType != "native" {
		req.ApplicationType = ""
	}
	client, left, err = s.Grants.Register(req.ClientName, req.RedirectURIs)
	return client, req, left, err
}

// tooLarge is the refusal of a body that could not be read whole.
func tooLarge(err error) error {
	e := oauth.InvalidRequest("The request's body could not be read.").Because(err)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		e.Status, e.Description = http.StatusRequestEntityTooLarge, "The request's body is too large."
	}
	return e
}
