package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Sizes and times of Client ID Metadata Documents
// (draft-ietf-oauth-client-id-metadata-document).
const (
	maxDocument    = 10 << 10 // bytes; the draft asks for 5 KB at least
	maxKeys        = 64 << 10
	maxDocuments   = 1000 // kept; then the one that ends first is forgotten
	documentTTL    = 5 * time.Minute
	maxDocumentTTL = 24 * time.Hour
	fetchesAtOnce  = 16
	keysPause      = 10 * time.Second // between fetches of one key set: with assertions of their own, strangers choose what and when
)

// Documents fetches and keeps what clients publish about themselves. A
// document that can't be had any more ends new sign-ins: an old copy is never
// used past its time.
type Documents struct {
	http    *http.Client
	now     func() time.Time
	flights singleflight.Group
	slots   chan struct{} // one for each fetch under way

	mu    sync.Mutex // guards cache
	cache map[string]cached
}

type cached struct {
	body   []byte
	until  time.Time
	err    error     // of keys: why there are none
	forced time.Time // when it was last fetched before its time was up
}

// NewDocuments returns an empty cache. client replaces the guarded one that
// reaches public addresses only; it is for tests, nil otherwise.
func NewDocuments(client *http.Client, now func() time.Time) *Documents {
	if client == nil {
		client = publicClient()
	}
	client.CheckRedirect = noRedirects
	return &Documents{http: client, now: now, slots: make(chan struct{}, fetchesAtOnce), cache: map[string]cached{}}
}

// errDocument is the cause of every refusal that a document, or the keys beside
// it, is at fault for.
var errDocument = errors.New("the client's metadata document")

// badDocument is the refusal of a document that says or is what it must not.
func badDocument(cause error, format string, args ...any) *oauth.Error {
	return oauth.InvalidClient(format, args...).Because(atDocument(cause))
}

func atDocument(cause error) error {
	if cause == nil {
		return errDocument
	}
	return fmt.Errorf("%w: %w", errDocument, cause)
}

// isDocumentURL reports whether a client id claims to be a document's address.
func isDocumentURL(id string) bool { return strings.HasPrefix(id, "https://") }

// document is what we read of one.
type document struct {
	ClientID     string          `json:"client_id"`
	ClientName   string          `json:"client_name"`
	RedirectURIs []string        `json:"redirect_uris"`
	GrantTypes   []string        `json:"grant_types"`
	AuthMethod   string          `json:"token_endpoint_auth_method"`
	Secret       json.RawMessage `json:"client_secret"`
	JWKS         json.RawMessage `json:"jwks"`
	JWKSURI      string          `json:"jwks_uri"`
}

// Client returns the client that the document at id describes. Errors are
// invalid_client, or temporarily_unavailable if it can't be fetched.
func (d *Documents) Client(ctx context.Context, id string) (*oauth.Client, error) {
	if err := checkDocumentURL(id); err != nil {
		return nil, badDocument(nil, "The client id is not an address where a metadata document may be: %v.", err)
	}
	body, err := d.get(ctx, id, maxDocument, false)
	if err != nil {
		return nil, err
	}
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, badDocument(err, "The client's metadata document is not valid JSON.")
	}
	if doc.AuthMethod == "" {
		doc.AuthMethod = "none"
	}
	name := strings.TrimSpace(status.Clean(doc.ClientName, 80))
	var why string
	switch {
	case doc.ClientID != id:
		why = "its client_id is not its address"
	case name == "":
		why = "it has no client_name"
	case len(doc.RedirectURIs) == 0:
		why = "it has no redirect_uris"
	case len(doc.Secret) > 0:
		why = "it holds a client secret"
	case doc.AuthMethod != "none" && doc.AuthMethod != "private_key_jwt":
		why = "its token_endpoint_auth_method is neither none nor private_key_jwt"
	case doc.AuthMethod == "private_key_jwt" && len(doc.JWKS) == 0 && checkDocumentURL(doc.JWKSURI) != nil:
		why = "it has private_key_jwt but neither jwks nor a good jwks_uri"
	case len(doc.GrantTypes) > 0 && !slices.Contains(doc.GrantTypes, "authorization_code"):
		why = "its grant_types lack authorization_code"
	}
	if why != "" {
		return nil, badDocument(nil, "The client's metadata document can't be used: %s.", why)
	}
	return &oauth.Client{ID: id, Name: name, Kind: oauth.KindCIMD, RedirectURIs: doc.RedirectURIs, AuthMethod: doc.AuthMethod, JWKS: doc.JWKS, JWKSURI: doc.JWKSURI}, nil
}

// Keys returns the keys that client signs with, fetched anew if fresh is set.
func (d *Documents) Keys(ctx context.Context, client *oauth.Client, fresh bool) (*jose.JSONWebKeySet, error) {
	body := client.JWKS
	if len(body) == 0 {
		var err error
		if body, err = d.get(ctx, client.JWKSURI, maxKeys, fresh); err != nil {
			return nil, err
		}
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(body, &keys); err != nil {
		return nil, badDocument(err, "The client's keys are not a valid JWK set.")
	}
	return &keys, nil
}

// checkDocumentURL says why an address can't be a document's (§3 of the draft).
func checkDocumentURL(id string) error {
	u, err := url.Parse(id)
	switch {
	case err != nil || len(id) > 2000:
		return errors.New("it can't be parsed")
	case u.Scheme != "https" || u.Hostname() == "":
		return errors.New("it must be https with a host")
	case u.User != nil || strings.Contains(id, "#"):
		return errors.New("it must have neither user name nor fragment")
	case u.EscapedPath() == "" || u.EscapedPath() == "/":
		return errors.New("it must have a path")
	case oauth.DotSegments(u.EscapedPath()):
		return errors.New("it must have no dot segments")
	}
	for _, c := range []byte(id) {
		if c <= 0x20 || c >= 0x7f || c == '\\' {
			return errors.New("it has a character that an address can't have")
		}
	}
	return nil
}
