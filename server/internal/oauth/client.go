package oauth

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// The kinds of clients.
const (
	KindDCR    = "dcr"    // registered itself (RFC 7591)
	KindCIMD   = "cimd"   // its id is the https address of its metadata document
	KindStatic = "static" // known in advance: the owner added it, or it is the one at the provider
)

// The grant types of the token endpoint, by short names.
const (
	GrantCode      = "authorization_code"
	GrantRefresh   = "refresh_token"
	GrantAssertion = "jwt-bearer"
	GrantMachine   = "client_credentials"
)

// Client is a program that asks for access.
type Client struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"` // chosen by the client: hostile text, cleaned
	Kind         string          `json:"kind"`
	RedirectURIs []string        `json:"redirect_uris"`
	AuthMethod   string          `json:"auth_method"`        // "none", "private_key_jwt" or [BySecret]
	Grants       []string        `json:"grants,omitempty"`   // what it may ask for; nil: codes and refreshes
	JWKS         json.RawMessage `json:"jwks,omitempty"`     // its keys, for private_key_jwt; inline
	JWKSURI      string          `json:"jwks_uri,omitempty"` // or where they are
	Registered   time.Time       `json:"-"`
	Confirmed    time.Time       `json:"confirmed,omitzero"` // when its metadata document was last read, if it has one
}

// May reports whether c may ask for tokens by a grant type. Who may redeem codes
// may refresh what they gave.
func (c *Client) May(grant string) bool {
	if grant == GrantRefresh {
		grant = GrantCode
	}
	return grant == GrantCode && c.Grants == nil || slices.Contains(c.Grants, grant)
}

// added reports whether the owner has added c.
func (c *Client) added() bool { return c.Kind == KindStatic && c.AuthMethod != "none" }

// registration is what the client id of RFC 7591 holds, under our MAC. The
// names are short because the id travels in URLs.
type registration struct {
	Name         string   `json:"n,omitempty"`
	RedirectURIs []string `json:"r"`
	Issued       int64    `json:"t"` // Unix seconds
}

// MaxRedirectURIs is how many redirect URIs a client may have. The most that one
// is known to have is eight.
const MaxRedirectURIs = 32

const (
	registrationPrefix = "dbc_"
	maxClientID        = 3000 // characters; the id is part of URLs
)

// Register turns a client's metadata into its id. Nothing is stored: the id is
// the metadata, under our MAC, so a flood of registrations leaves no trace. Of
// the redirect URIs it takes those that are on the list (RFC 7591 §3.2.1), and says
// which is not; it refuses if none is left, or one is unsafe anywhere. Errors are
// invalid_redirect_uri and invalid_client_metadata.
func (s *Grants) Register(name string, redirectURIs []string) (c *Client, left, err error) {
	if len(redirectURIs) == 0 {
		return nil, nil, InvalidRedirectURI("redirect_uris must name at least one").Because(ErrNoRedirects)
	}
	if len(redirectURIs) > MaxRedirectURIs {
		return nil, nil, InvalidClientMetadata("redirect_uris names more than %d", MaxRedirectURIs)
	}
	var allowed []string
	for _, uri := range redirectURIs {
		switch err := s.opts.Redirects.Check(uri); {
		case err == nil:
			allowed = append(allowed, uri)
		case errors.Is(err, ErrNotAllowed):
			left = err
		default: // no honest client has one
			return nil, nil, err
		}
	}
	if len(allowed) == 0 {
		return nil, nil, left
	}
	now := s.opts.Now().Truncate(time.Second)
	r := registration{Name: strings.TrimSpace(status.Clean(name, maxName)), RedirectURIs: allowed, Issued: now.Unix()}
	packed, err := json.Marshal(r)
	if err != nil {
		return nil, nil, ServerError(err)
	}
	id := registrationPrefix + base64.RawURLEncoding.EncodeToString(s.clientKey.mac(packed, packed))
	if len(id) > maxClientID {
		return nil, nil, InvalidClientMetadata("the names and redirect URIs are too long together")
	}
	return r.client(id), left, nil
}

const maxName = 80 // characters of a client's or person's name that anyone gets to see

func (r registration) client(id string) *Client {
	name := r.Name
	if name == "" {
		name = "Unnamed client"
	}
	return &Client{ID: id, Name: name, Kind: KindDCR, RedirectURIs: r.RedirectURIs, AuthMethod: "none", Registered: time.Unix(r.Issued, 0)}
}

// Known returns the client of id if it needs no fetch: one known in advance, or
// one that registered here. With registration switched off the latter must
// have signed in before.
func (s *Grants) Known(id string) (*Client, bool) {
	if id == "" {
		return nil, false
	}
	s.mu.RLock()
	added, ok := s.known[id]
	s.mu.RUnlock()
	if ok {
		return &added.Client, added.AuthMethod == BySecret || s.secretKey.valid(added.keys(), added.Secret)
	}
	if id == s.opts.StaticClientID {
		return &Client{ID: id, Name: "Client of your provider's id", Kind: KindStatic, RedirectURIs: s.opts.Redirects.URIs, AuthMethod: "none"}, true
	}
	encoded, ok := strings.CutPrefix(id, registrationPrefix)
	if !ok || len(id) > maxClientID || strings.ContainsAny(encoded, "\r\n") { // which base64 leaves out: an id has one spelling
		return nil, false
	}
	packed, err := strictBase64.DecodeString(encoded)
	if err != nil || len(packed) < macSize {
		return nil, false
	}
	body, mac := packed[:len(packed)-macSize], packed[len(packed)-macSize:]
	var r registration
	if !s.clientKey.valid(body, mac) || json.Unmarshal(body, &r) != nil {
		return nil, false
	}
	if _, before := s.SignedIn(id); s.opts.NoRegistration && !before {
		return nil, false
	}
	return r.client(id), true
}

// ProveRedirect returns the redirect URI to answer to: the presented one if the
// client has it and this server allows it, or the client's only one if none
// was presented. Until this has succeeded nothing may be redirected anywhere.
func (s *Grants) ProveRedirect(c *Client, presented string) (string, error) {
	if presented == "" {
		if len(c.RedirectURIs) != 1 || c.Kind == KindStatic && !c.added() {
			return "", InvalidRequest("redirect_uri is missing")
		}
		presented = c.RedirectURIs[0]
	}
	err := s.opts.Redirects.Check(presented)
	if errors.Is(err, ErrNotAllowed) && c.added() { // the owner who wrote the list has added it with these
		err = nil
	}
	if err != nil {
		return "", err
	}
	if c.Kind == KindStatic && !c.added() { // the list is all there is to know of it
		return presented, nil
	}
	if !slices.ContainsFunc(c.RedirectURIs, func(r string) bool { return sameRedirect(r, presented) }) {
		return "", InvalidRedirectURI("this redirect URI is not one that the client registered")
	}
	return presented, nil
}

// clientRecord is what lasts of a client: that somebody signed in with it.
type clientRecord struct {
	Version int `json:"v"`
	Client
	FirstSeen  time.Time `json:"first_seen"`
	LastSignIn time.Time `json:"last_sign_in"`
}

// clientKeyOf is the key of a client's record. Ids can be long, keys stay short.
func clientKeyOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SignedIn returns the client of id as it was at its last sign-in.
func (s *Grants) SignedIn(id string) (*Client, bool) {
	s.mu.RLock()
	r, ok := s.clients[clientKeyOf(id)]
	s.mu.RUnlock()
	r.Confirmed = r.confirmed()
	return &r.Client, ok
}

// confirmEvery is how often it is written down that a document still stands.
const confirmEvery = 24 * time.Hour

// Confirm notes what the metadata document of a client says now that somebody
// has signed in with before.
func (s *Grants) Confirm(c *Client) {
	key := clientKeyOf(c.ID)
	s.mu.RLock()
	r, ok := s.clients[key]
	s.mu.RUnlock()
	if !ok || c.Confirmed.Sub(r.confirmed()) < confirmEvery {
		return
	}
	r.Client = *c
	if err := s.opts.Saver.Save([]Change{change(BucketClients, key, r)}); err != nil {
		s.opts.Log.Warn("client not saved", "client", r.Name, "cause", err)
		return
	}
	s.mu.Lock()
	s.clients[key] = r
	s.mu.Unlock()
}

// confirmed is when r's document was last read; records of before this was
// written down have been made by a sign-in, which reads it.
func (r *clientRecord) confirmed() time.Time {
	if r.Confirmed.IsZero() {
		return r.LastSignIn
	}
	return r.Confirmed
}

// Clients returns every client that somebody has signed in with or the owner has
// added.
func (s *Grants) Clients() []status.Client {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sessions, used := map[string]int{}, map[string]int64{}
	for _, g := range s.grants {
		if g.live(s.opts.Now()) {
			id := g.record().Client.ID
			sessions[id]++
			used[id] = max(used[id], g.lastUsed.Load())
		}
	}
	list := make([]status.Client, 0, len(s.clients)+len(s.known))
	add := func(c status.Client) {
		c.Sessions, c.LastUsed = sessions[c.ID], c.LastSignIn
		if ms, ok := used[c.ID]; ok && time.UnixMilli(ms).After(c.LastUsed) {
			c.LastUsed = time.UnixMilli(ms).UTC()
		}
		list = append(list, c)
	}
	for _, c := range s.clients {
		if _, added := s.known[c.ID]; !added {
			add(status.Client{ID: c.ID, Name: c.Name, Kind: c.Kind, RedirectURIs: c.RedirectURIs, FirstSeen: c.FirstSeen, LastSignIn: c.LastSignIn})
		}
	}
	for _, k := range s.known {
		c := k.shown(s.opts.Now())
		c.LastSignIn = s.clients[clientKeyOf(k.ID)].LastSignIn
		add(c)
	}
	slices.SortFunc(list, func(a, b status.Client) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), b.FirstSeen.Compare(a.FirstSeen))
	})
	return list
}

// forgetClientAfter is how long a client is remembered that nobody has a
// session with. Some clients register anew at each sign-in.
const forgetClientAfter = 90 * 24 * time.Hour

// staleClients returns the changes that forget such clients.
func (s *Grants) staleClients(now time.Time) []Change {
	s.mu.RLock()
	defer s.mu.RUnlock()
	inUse := map[string]bool{}
	for _, g := range s.grants {
		inUse[clientKeyOf(g.record().Client.ID)] = true
	}
	var changes []Change
	for key, c := range s.clients {
		if !inUse[key] && now.Sub(c.LastSignIn) > forgetClientAfter {
			changes = append(changes, Change{Bucket: BucketClients, Key: key})
		}
	}
	return changes
}
