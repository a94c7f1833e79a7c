package oauth

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/store/storetest"
)

// What the first version with sign-ins without a page has written is understood for
// good: known clients and both their secrets, who is blocked, what was redeemed.
func TestStoredRecords(t *testing.T) {
	data, err := os.ReadFile("testdata/pageless-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var stored struct {
		Secret, Old string
		Records     map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &stored); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, trusting)
	for bucket, records := range stored.Records {
		for key, value := range records {
			if err := r.disk.Save([]Change{{bucket, key, value}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.restart()
	known := map[string]*Client{}
	for id := range stored.Records[BucketKnown] {
		if c, ok := r.Known(id); ok {
			known[c.Name] = c
		}
	}
	acme, ci := known["Claude for Acme"], known["ci"]
	if acme == nil || ci == nil {
		t.Fatalf("known clients: %v", known)
	}
	if !r.ProveSecret(acme.ID, stored.Secret) || !r.ProveSecret(acme.ID, stored.Old) || r.ProveSecret(ci.ID, stored.Secret) {
		t.Error("the secrets prove another client than before")
	}
	if ci.JWKSURI != "https://ci.example/jwks.json" || !slices.Equal(ci.Grants, []string{GrantMachine}) || !slices.Equal(acme.Grants, []string{GrantAssertion}) {
		t.Errorf("may do what they could not, or not what they could: %+v, %+v", acme, ci)
	}
	blocked := r.Blocked()
	if len(blocked) != 1 || blocked[0].User.Email != "bob@example.com" || blocked[0].Client != "Claude for Acme" {
		t.Fatalf("blocked: %+v", blocked)
	}
	again := r.vouches(acme, "ana")
	again.ID = "stored-ana"
	if _, err := r.redeem(acme, again); !errors.Is(err, ErrAssertionTwice) {
		t.Errorf("redeemed again: %v", err)
	}
	if _, err := r.redeem(acme, r.vouches(acme, "bob")); err == nil {
		t.Error("who was blocked came back")
	}
	before := r.Sessions()
	r.mustRedeem(acme, r.vouches(acme, "ana"))
	if after := r.Sessions(); len(before) != 1 || len(after) != 1 || after[0].ID != before[0].ID || after[0].Provider != company {
		t.Errorf("sessions: %+v, then %+v", before, after)
	}
	if err := r.Unblock(blocked[0].ID); err != nil {
		t.Fatal(err)
	}
	r.mustRedeem(acme, r.vouches(acme, "bob"))
}

// Each kind of record is what it was, and one of a newer Drawbridge is refused
// instead of losing what only that one knows.
func TestStoredFormats(t *testing.T) {
	data, err := os.ReadFile("testdata/records-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples map[string]json.RawMessage
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]any{BucketGrants: new(Grant), BucketClients: new(clientRecord), BucketConsents: new(consentRecord), BucketRevocations: new(revocation),
		BucketKnown: new(knownClient), BucketBlocks: new(block), BucketAssertions: new(usedAssertion)}
	for bucket, record := range kinds {
		t.Run(bucket, func(t *testing.T) {
			storetest.Hold(t, bucket, samples[bucket], record)
			r := newRig(t)
			newer := strings.Replace(string(samples[bucket]), `"v": 1`, `"more": "", "v": 2`, 1)
			if err := r.disk.Save([]Change{{bucket, "AAECAwQFBgcICQoLDA0ODw", []byte(newer)}}); err != nil {
				t.Fatal(err)
			}
			if _, err := New(r.opts, r.disk); !errors.Is(err, ErrNewerRecord) {
				t.Errorf("a record of a newer version: %v", err)
			}
		})
	}
}
