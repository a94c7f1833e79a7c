package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Sizes and times of Client ID Metadata Documents
// (draft-ietf-oauth-client-id-metadata-document).
const (
	maxDocument    = 10 << 10 // bytes; the draft asks for 5 KB at least
	maxKeys        = 64 << 10
	maxDocuments   = 1000 // kept
	maxKeySets     = 200  // kept
	documentTTL    = 5 * time.Minute
	maxDocumentTTL = 24 * time.Hour
	keysPause      = 10 * time.Second // between fetches of one key set: with assertions of their own, strangers choose what and when

	// staleTime is for how long a document that can't be had goes on to count for
	// a client that somebody has signed in with. One that is there and says
	// something else, or is gone (404), counts at once.
	staleTime = 7 * 24 * time.Hour
)

// Documents fetches and keeps what clients publish about themselves: documents,
// and the keys that some of them name. A copy is used until its time is up, by
// HTTP's rules; after that only for known clients, while nothing better can be had.
type Documents struct {
	http      *http.Client
	now       func() time.Time
	flights   singleflight.Group
	slots     *slots
	documents *copies
	keys      *copies

	mu    sync.Mutex // guards stale
	stale map[string]staleCopy
}

// NewDocuments returns an empty cache of what client fetches: one of
// [outbound.Network.Public], but in tests.
func NewDocuments(client *http.Client, now func() time.Time) *Documents {
	if client == nil {
		client = (*outbound.Network)(nil).Public()
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Documents{http: client, now: now, slots: newSlots(), stale: map[string]staleCopy{},
		documents: newCopies("metadata document", maxDocument, maxDocuments, 0), keys: newCopies("key set", maxKeys, maxKeySets, keysPause)}
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

// Client returns the client that the document at id describes, for who asks from
// the address of actor. known is the client as its document was when it
// was last read, nil if nobody has signed in with it. Errors are invalid_client, or
// temporarily_unavailable if the document can't be had.
func (d *Documents) Client(ctx context.Context, id string, actor netip.Prefix, known *oauth.Client) (*oauth.Client, error) {
	if err := checkDocumentURL(id); err != nil {
		return nil, badDocument(nil, "The client id is not an address where a metadata document may be: %v.", err)
	}
	body, err := d.get(ctx, d.documents, id, actor, false)
	if err != nil {
		var e *oauth.Error
		if known == nil || !errors.As(err, &e) || e.RetryAfter == 0 || d.now().Sub(known.Confirmed) > staleTime {
			return nil, err
		}
		d.usesStale(id, e, known.Confirmed)
		return known, nil
	}
	d.isFresh(id)
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
	case len(doc.RedirectURIs) > oauth.MaxRedirectURIs:
		why = fmt.Sprintf("its redirect_uris name more than %d", oauth.MaxRedirectURIs)
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
	c := &oauth.Client{ID: id, Name: name, Kind: oauth.KindCIMD, RedirectURIs: doc.RedirectURIs, AuthMethod: doc.AuthMethod, Confirmed: d.now().UTC()}
	if doc.AuthMethod == "private_key_jwt" {
		if slices.Contains(doc.GrantTypes, jwtBearer) {
			c.Grants = []string{oauth.GrantCode, oauth.GrantRefresh, oauth.GrantAssertion}
		}
		if c.JWKS, c.JWKSURI = doc.JWKS, doc.JWKSURI; len(c.JWKS) > 0 {
			c.JWKSURI = ""
		}
	}
	return c, nil
}

// Keys returns the keys that client signs with, fetched anew if fresh is set.
func (d *Documents) Keys(ctx context.Context, client *oauth.Client, actor netip.Prefix, fresh bool) (*jose.JSONWebKeySet, error) {
	body := client.JWKS
	if len(body) == 0 {
		var err error
		if body, err = d.get(ctx, d.keys, client.JWKSURI, actor, fresh); err != nil {
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

// staleCopy is a document that can't be had while a client goes on with an old copy.
type staleCopy struct {
	why   string
	until time.Time
}

func (d *Documents) usesStale(id string, e *oauth.Error, from time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stale[id] = staleCopy{why: e.Description, until: from.Add(staleTime)}
}

func (d *Documents) isFresh(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.stale, id)
}

// Stale says, a sentence each, which known clients go on with an old copy of
// their document, and until when.
func (d *Documents) Stale() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, id := range slices.Sorted(maps.Keys(d.stale)) {
		c := d.stale[id]
		if d.now().After(c.until) {
			delete(d.stale, id)
			continue
		}
		list = append(list, fmt.Sprintf("%s Until %s the client goes on with what its document said when it was last read.", c.why, c.until.Format("2006-01-02")))
	}
	return list
}
