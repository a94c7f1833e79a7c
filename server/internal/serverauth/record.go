package serverauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// bucket holds the sign-ins, each sealed as every record is. Of the owner's, the
// tokens are in the keychain, if they fit in there.
const bucket = "serverauth"

// account is the keychain's name of the owner's tokens: ${keychain:…} has no such
// one.
func account(server string) string { return keystore.ServerSecret(server, "sign-in") }

// ClientSecret is the secret of a client that the owner registered, by `drawbridge
// secret set`.
const ClientSecret = "client_secret"

// record is one sign-in. It is never changed: another takes its place.
type record struct {
	Version int    `json:"v"`
	Name    string `json:"server"`
	Person  string `json:"person,omitempty"`

	Who oauth.Identity `json:"who,omitzero"` // the person, when they signed in

	Written  string   `json:"written"` // the same in mcp.json
	Server   string   `json:"url"`     // the tokens are for this address alone
	Resource string   `json:"resource"`
	Issuer   string   `json:"issuer"`
	Token    string   `json:"token_endpoint"`
	Revoke   string   `json:"revocation_endpoint,omitempty"`
	Client   client   `json:"client"`
	Scopes   []string `json:"scopes,omitempty"` // asked for
	Wants    []string `json:"wants,omitempty"`  // scopes that the server asked for since
	Ended    bool     `json:"ended,omitempty"`  // refused for good

	Given   time.Time `json:"given"` // the tokens
	Expires time.Time `json:"expires,omitzero"`
	Ahead   time.Time `json:"ahead,omitzero"` // from when on they are refreshed
	Since   time.Time `json:"since"`
	Account string    `json:"account,omitempty"`
	Left    time.Time `json:"left,omitzero"` // when it ended here

	InKeychain bool `json:"in_keychain,omitempty"` // the secrets
	secrets    `json:"secrets,omitzero"`
}

type secrets struct {
	Access  string `json:"access,omitempty"`
	Refresh string `json:"refresh,omitempty"`
	Client  string `json:"client,omitempty"`
}

// client is who we are there.
type client struct {
	ID    string           `json:"id"`
	Style oauth2.AuthStyle `json:"style"` // how the secret is sent
	Own   bool             `json:"own,omitempty"`
}

func (r *record) recordKey() string { return r.Name + "/" + r.Person }

func (s *SignIns) load() error {
	return s.o.Records.Load(bucket, func(place string, value []byte) error {
		var r record
		if err := oauth.ReadRecord(bucket, value, &r); err != nil || r.Name == "" {
			return cmp.Or(err, errors.New("a sign-in at a server names no server"))
		}
		if strings.HasPrefix(place, leaving) {
			s.ending.Go(func() { s.leave(&r) })
			return nil
		}
		s.records[key{r.Name, r.Person}] = &r
		return nil
	})
}

// leaving begins the keys of records that have ended here and not there yet.
const leaving = "~"

// leave revokes what r holds. If that can't be done now it is tried again at the
// next start, for a day.
func (s *SignIns) leave(r *record) {
	ctx, cancel := context.WithTimeout(context.Background(), giveBackTime)
	defer cancel()
	if err := s.giveBack(ctx, r); err != nil && s.o.Now().Sub(r.Left) < 24*time.Hour {
		s.o.Log.Warn("a sign-in was not revoked at its server yet", "server", r.Name, "cause", err)
		return
	}
	if err := s.o.Saver.Save([]oauth.Change{{Bucket: bucket, Key: leaving + r.recordKey()}}); err != nil {
		s.o.Log.Error("a sign-in at a server was not deleted", "server", r.Name, "cause", err)
	}
}

// read is r with its secrets.
func (s *SignIns) read(ctx context.Context, r *record) (*record, error) {
	if !r.InKeychain || r.secrets != (secrets{}) {
		return r, nil
	}
	text, err := keystore.Text(ctx, s.o.Keystore, account(r.Name))
	if err != nil {
		return r, err
	}
	full := *r
	full.Ended = full.Ended || json.Unmarshal([]byte(text), &full.secrets) != nil // somebody took them out
	return &full, nil
}

// opened is r with its secrets, which are read from the keychain once.
func (s *SignIns) opened(ctx context.Context, k key, r *record) (*record, error) {
	full, err := s.read(ctx, r)
	if err != nil || full == r {
		return full, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := s.records[k]; {
	case now == nil:
		return nil, errGone
	case now != r:
		return now, nil
	}
	s.records[k] = full
	return full, nil
}

// save makes r last in place of what there was; old is what it was made of, or of
// is the flow that it comes from. A sign-in that has been ended meanwhile stays so.
func (s *SignIns) save(ctx context.Context, k key, old, r *record, of *flow) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	gone := old != nil && s.records[k] != old || of != nil && s.flows[of.state] != of
	s.mu.Unlock()
	if gone {
		return errGone
	}
	defer func() { // whether it could be saved or not
		s.mu.Lock()
		s.records[k] = r
		s.mu.Unlock()
	}()
	r.Version, r.Name, r.Person, r.InKeychain = 1, k.server, k.person, false
	stored := *r
	if k.person == "" {
		text, _ := json.Marshal(r.secrets)
		err := errors.ErrUnsupported
		if len(text) <= keystore.MaxSize && !keystore.IsReadOnly(s.o.Keystore) {
			err = s.o.Keystore.Set(ctx, account(k.server), keystore.NewSecret(string(text)))
		}
		if r.InKeychain = err == nil; r.InKeychain {
			stored.secrets, stored.InKeychain = secrets{}, true
		}
	}
	value, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	return s.o.Saver.Save([]oauth.Change{{Bucket: bucket, Key: r.recordKey(), Value: value}})
}

var errGone = errors.New("the sign-in has ended meanwhile")

// forget ends the sign-ins that are over: here at once, there soon.
func (s *SignIns) forget(over func(key, *record) bool) {
	var gone []key
	s.mu.Lock()
	for k, r := range s.records {
		if over(k, r) {
			gone = append(gone, k)
		}
	}
	s.mu.Unlock()
	for _, k := range gone {
		s.saving.Lock()
		s.mu.Lock()
		r := s.records[k]
		delete(s.records, k)
		s.mu.Unlock()
		if r == nil {
			s.saving.Unlock()
			continue
		}
		s.unsave(k, r)
		s.saving.Unlock()
		s.o.Changed(k.server)
	}
}

// unsave has r last no longer, but as what is still to be revoked.
func (s *SignIns) unsave(k key, r *record) {
	ctx, cancel := context.WithTimeout(context.Background(), giveBackTime)
	defer cancel()
	full, err := s.read(ctx, r)
	if err != nil {
		s.o.Log.Warn("a sign-in at a server can't be read to end it there", "server", k.server, "cause", err)
	}
	left := *full
	left.Left, left.InKeychain = s.o.Now(), false
	value, err := json.Marshal(left)
	if err == nil {
		err = s.o.Saver.Save([]oauth.Change{{Bucket: bucket, Key: r.recordKey()}, {Bucket: bucket, Key: leaving + r.recordKey(), Value: value}})
	}
	if err != nil {
		s.o.Log.Error("a sign-in at a server was not deleted", "server", k.server, "cause", err)
	}
	if r.InKeychain {
		if err := s.o.Keystore.Delete(ctx, account(k.server)); err != nil && !errors.Is(err, keystore.ErrNotFound) {
			s.o.Log.Error("a sign-in at a server was not deleted from the keychain", "server", k.server, "cause", err)
		}
	}
	s.ending.Go(func() { s.leave(&left) })
}

// giveBackTime bounds what is done to end a sign-in.
const giveBackTime = 5 * time.Second

// giveBack revokes what r holds (RFC 7009): the refresh token takes the access
// token along.
func (s *SignIns) giveBack(ctx context.Context, r *record) error {
	form := url.Values{"token": {r.Refresh}, "token_type_hint": {"refresh_token"}}
	if r.Refresh == "" {
		form = url.Values{"token": {r.Access}, "token_type_hint": {"access_token"}}
	}
	if r.Revoke == "" || form.Get("token") == "" {
		return nil
	}
	secret, err := s.secretOf(ctx, r)
	if err != nil {
		return err
	}
	if r.Client.Style == oauth2.AuthStyleInParams {
		form.Set("client_id", r.Client.ID)
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.Client.Style == oauth2.AuthStyleInHeader {
		req.SetBasicAuth(url.QueryEscape(r.Client.ID), url.QueryEscape(secret))
	}
	resp, err := s.httpFor(r.Server).Do(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// secretOf is the client's secret; "" if it has none.
func (s *SignIns) secretOf(ctx context.Context, r *record) (string, error) {
	if !r.Client.Own {
		return r.secrets.Client, nil
	}
	return keystore.Text(ctx, s.o.Keystore, keystore.ServerSecret(r.Name, ClientSecret))
}

// end notes that the server takes what r holds no longer.
func (s *SignIns) end(k key, r *record) {
	over := *r
	over.Ended = true
	if err := s.save(context.Background(), k, r, &over, nil); err != nil && !errors.Is(err, errGone) {
		s.o.Log.Warn("a sign-in's end was not saved", "server", k.server, "cause", err)
	}
	s.o.Changed(k.server)
}

// wants notes that a server asks for more scopes; an error if those were asked
// for already (RFC 6750 §3.1, MCP, "Step-Up Authorization Flow").
func (s *SignIns) wants(k key, r *record, scopes []string) error {
	more := *r
	more.Wants = union(r.Wants, scopes)
	if len(strings.Join(more.Wants, " ")) > maxChallenge {
		more.Wants = scopes
	}
	if len(union(r.Scopes, scopes)) == len(r.Scopes) {
		return errors.New("these scopes were granted")
	}
	if len(more.Wants) == len(r.Wants) {
		return nil
	}
	return s.save(context.Background(), k, r, &more, nil)
}
