package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// BySecret is how a client authenticates that has a secret: in the header or in the
// form (RFC 6749 §2.3.1), as it likes.
const BySecret = "client_secret"

// oldSecretTime is how long the secret before the newest works: long enough to
// carry the new one to where it is used.
const oldSecretTime = 24 * time.Hour

const (
	knownPrefix  = "dbk_"
	secretPrefix = "dbs_"
)

// knownClient is the record of a client that the owner has added. Secrets are kept
// as a MAC: each is 256 random bits, which nobody can search, so that it needs no
// slow hash. The key of the MAC is the data key's, so that a new one makes all
// secrets void.
type knownClient struct {
	Version int `json:"v"`
	Client
	Added    time.Time `json:"added"`
	Secret   []byte    `json:"secret,omitempty"`
	Since    time.Time `json:"since,omitzero"` // of Secret
	Old      []byte    `json:"old,omitempty"`
	OldUntil time.Time `json:"old_until,omitzero"`
}

// keys is what the MAC of a client with keys of its own is over.
func (k knownClient) keys() []byte { return []byte(k.ID + "\x00" + k.JWKSURI) }

func (k knownClient) shown(now time.Time) status.Client {
	c := status.Client{ID: k.ID, Name: k.Name, Kind: k.Kind, RedirectURIs: k.RedirectURIs, FirstSeen: k.Added, Known: true, Grants: k.Grants, JWKSURI: k.JWKSURI, SecretSince: k.Since}
	if now.Before(k.OldUntil) {
		c.OldSecretUntil = k.OldUntil
	}
	return c
}

// AddClient adds a client and returns its secret, "" if it has keys of its own. Its
// errors are sentences.
func (s *Grants) AddClient(n status.NewClient) (status.Client, string, error) {
	grants := slices.Clone(n.Grants)
	if len(grants) == 0 {
		if grants = []string{GrantAssertion}; len(n.RedirectURIs) > 0 {
			grants = []string{GrantCode, GrantRefresh}
		}
	}
	k := knownClient{Version: 1, Added: s.opts.Now().UTC(), Client: Client{ID: knownPrefix + random()[:22], Name: strings.TrimSpace(status.Clean(n.Name, maxName)), Kind: KindStatic,
		RedirectURIs: n.RedirectURIs, AuthMethod: BySecret, Grants: grants, JWKSURI: n.JWKSURI}}
	for _, grant := range grants {
		if !slices.Contains([]string{GrantCode, GrantRefresh, GrantAssertion, GrantMachine}, grant) {
			return status.Client{}, "", fmt.Errorf("a client can't be added for %q. Choose among authorization_code, refresh_token, jwt-bearer and client_credentials", status.Clean(grant, 40))
		}
	}
	for _, uri := range n.RedirectURIs {
		if err := s.opts.Redirects.Check(uri); err != nil && !errors.Is(err, ErrNotAllowed) {
			return status.Client{}, "", err
		}
	}
	u, err := url.Parse(n.JWKSURI)
	switch {
	case k.Name == "":
		return status.Client{}, "", errors.New("the client needs a name")
	case len(n.RedirectURIs) > MaxRedirectURIs:
		return status.Client{}, "", fmt.Errorf("a client can have %d redirect URIs at most", MaxRedirectURIs)
	case k.May(GrantCode) != (len(n.RedirectURIs) > 0):
		return status.Client{}, "", errors.New("authorization_code and redirect URIs go together: name both, or neither")
	case n.JWKSURI != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != ""):
		return status.Client{}, "", errors.New("the address of the client's keys must be https, with a host")
	}
	secret := s.newSecret(&k)
	if n.JWKSURI != "" {
		k.AuthMethod, k.Secret, k.Since, secret = "private_key_jwt", s.secretKey.mac(nil, k.keys()), time.Time{}, ""
	}
	s.owner.Lock()
	defer s.owner.Unlock()
	if _, ok := s.added(k.Name); ok {
		return status.Client{}, "", fmt.Errorf("a client called %s is there already. Choose another name: rules and lists tell clients apart by it", k.Name)
	}
	return k.shown(s.opts.Now()), secret, s.keep(k)
}

// newSecret gives k another secret and returns it.
func (s *Grants) newSecret(k *knownClient) string {
	secret := secretPrefix + random()
	k.Secret, k.Since = s.secretKey.mac(nil, []byte(k.ID+"\x00"+secret)), s.opts.Now().UTC()
	return secret
}

// keep saves k. The caller holds owner.
func (s *Grants) keep(k knownClient) error {
	if err := s.opts.Saver.Save([]Change{change(BucketKnown, k.ID, k)}); err != nil {
		return fmt.Errorf("save the client: %w", err)
	}
	s.mu.Lock()
	s.known[k.ID] = k
	s.mu.Unlock()
	return nil
}

// added is the client of an id or a name.
func (s *Grants) added(client string) (knownClient, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.known {
		if k.ID == client || hostname.Same(k.Name, client) {
			return k, true
		}
	}
	return knownClient{}, false
}

// RotateClient gives the client of an id or name another secret. The one before
// works for a day more. It returns [ErrNotFound] if there is none.
func (s *Grants) RotateClient(client string) (secret string, oldUntil time.Time, err error) {
	s.owner.Lock()
	defer s.owner.Unlock()
	k, ok := s.added(client)
	if !ok {
		return "", time.Time{}, ErrNotFound
	}
	if k.AuthMethod != BySecret {
		return "", time.Time{}, fmt.Errorf("%s has no secret, but keys of its own at %s. If they count no more since Panic, delete it and add it again", k.Name, k.JWKSURI)
	}
	k.Old, k.OldUntil = k.Secret, s.opts.Now().UTC().Add(oldSecretTime)
	secret = s.newSecret(&k)
	return secret, k.OldUntil, s.keep(k)
}

// DeleteClient forgets the client of an id or name, ends its sessions and lifts its
// blocks. It returns [ErrNotFound] if there is none.
func (s *Grants) DeleteClient(client string) error {
	s.owner.Lock()
	defer s.owner.Unlock()
	k, ok := s.added(client)
	if !ok {
		return ErrNotFound
	}
	changes := append(s.forgetConsents(func(c consentRecord) bool { return c.ClientID == k.ID }),
		Change{Bucket: BucketKnown, Key: k.ID}, Change{Bucket: BucketClients, Key: clientKeyOf(k.ID)})
	s.mu.Lock() // from here on nothing of it begins
	delete(s.known, k.ID)
	delete(s.clients, clientKeyOf(k.ID))
	for p := range s.blocks {
		if p.Client == k.ID {
			delete(s.blocks, p)
			changes = append(changes, Change{Bucket: BucketBlocks, Key: p.key()})
		}
	}
	s.mu.Unlock()
	of := slices.DeleteFunc(s.all(), func(g *grant) bool { return g.record().Client.ID != k.ID })
	_, err := s.endAll(of, always(ending{typ: status.SessionRevoked, reason: "the owner has deleted the client"}), changes...)
	return err
}

// ProveSecret reports whether secret is one of the client of id. It compares in the
// same time whatever is wrong with it.
func (s *Grants) ProveSecret(id, secret string) bool {
	s.mu.RLock()
	k := s.known[id]
	s.mu.RUnlock()
	text := []byte(id + "\x00" + secret)
	return s.secretKey.valid(text, k.Secret) || s.opts.Now().Before(k.OldUntil) && s.secretKey.valid(text, k.Old)
}

// Features reports what clients that the owner has added can do besides what all can:
// authenticate by a secret, or by keys, and act for themselves.
func (s *Grants) Features() (secrets, keys, machines bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.known {
		secrets, keys, machines = secrets || k.AuthMethod == BySecret, keys || k.AuthMethod != BySecret, machines || k.May(GrantMachine)
	}
	return secrets, keys, machines
}
