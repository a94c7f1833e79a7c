package wizard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/url"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// trialTime is how long a dry run waits for the browser to come back: as long as
// a person may need to find a password and a second factor.
const trialTime = 10 * time.Minute

// DryRun tries a sign-in at the provider that makes no grant. One is under way
// at a time; a new one takes the place of the last. The zero value is ready.
type DryRun struct {
	Now    func() time.Time // nil: time.Now
	Notify func()           // nil, or called when [DryRun.Status] has changed

	mu     sync.Mutex // guards all below
	trial  *trial
	status TrialStatus
}

// trial is a dry run under way.
type trial struct {
	client *idp.Client
	cfg    idp.Config
	access oauth.AccessList
	sent   oauth.UpstreamRequest // its State is "" once it was answered
	begun  time.Time
	back   string
}

// TrialState is how far a dry run is.
type TrialState string

// The states of a dry run.
const (
	TrialNone    TrialState = ""
	TrialWaiting TrialState = "waiting" // for the browser to come back
	TrialAsking  TrialState = "asking"  // the browser is back, the provider is asked
	TrialDone    TrialState = "done"    // see the result
	TrialFailed  TrialState = "failed"  // see what it says
	TrialExpired TrialState = "expired" // the browser never came back
)

// TrialStatus is a dry run as the person sees it. It holds no token.
type TrialStatus struct {
	State  TrialState
	Says   Sentence // what went wrong; while it waits, what may
	Result *TrialResult
	Unsure bool // the provider seems not to know the redirect URI; only a sign-in could tell for certain
}

// Start begins a dry run and returns where to send the browser. cfg and access
// are those of the app; the provider answers at cfg.RedirectURI, where
// [DryRun.Callback] has to be asked; it says that the browser goes on to back.
// A redirect URI that the provider does not know is an error, unless certain is
// false: the browser would never come back. Errors are sentences.
func (d *DryRun) Start(ctx context.Context, cfg idp.Config, access oauth.AccessList, back string, certain bool) (string, error) {
	cfg.Stay, cfg.Now, cfg.OnChange = true, d.now, nil
	t := &trial{client: idp.New(cfg), cfg: cfg, access: access, back: back, sent: oauth.UpstreamRequest{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text()}, begun: d.now()}
	address, err := t.client.AuthURL(ctx, t.sent)
	unknown := false
	if err == nil && certain {
		_, err = t.client.CheckRedirect(ctx)
		unknown = oauth.IsProviderError(err, oauth.ProviderMisconfigured)
	}
	if err != nil && (unknown || address == "") {
		d.set(nil, TrialStatus{State: TrialFailed, Says: fromProvider(err), Unsure: unknown})
		return "", err
	}
	d.set(t, TrialStatus{State: TrialWaiting, Says: lookFor(t)})
	return address, nil
}

// Stop forgets the dry run and what came of it.
func (d *DryRun) Stop() { d.set(nil, TrialStatus{}) }

func (d *DryRun) set(t *trial, st TrialStatus) {
	d.mu.Lock()
	d.trial, d.status = t, st
	d.mu.Unlock()
	d.changed()
}

func (d *DryRun) changed() {
	if d.Notify != nil {
		d.Notify()
	}
}

// Status is how the dry run stands now.
func (d *DryRun) Status() TrialStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.trial; t != nil && d.status.State != TrialAsking && d.now().Sub(t.begun) >= trialTime {
		d.trial, d.status = nil, TrialStatus{State: TrialExpired, Says: lookFor(t)}
	}
	return d.status
}

// lookFor is what to look for at the provider if the browser does not come back:
// none may send it to a redirect URI that it does not know (RFC 6749 §4.1.2.1).
func lookFor(t *trial) Sentence {
	s := say("If the browser shows an error of {name} that speaks of a redirect URI or callback URL, {name} does not know ours: enter {redirect} there, byte for byte, and try again.")
	s.Words = t.client.Words()
	return s
}

// Callback takes the provider's answer if its state is that of the dry run under
// way, and returns where the browser goes on to; "" if it is not. The state is
// used up by it. It asks the provider, which may take 25 s.
func (d *DryRun) Callback(ctx context.Context, answer url.Values) (back string) {
	t := d.take(answer.Get("state"))
	if t == nil {
		return ""
	}
	st := t.finish(ctx, answer)
	d.mu.Lock()
	if d.trial == t { // else another was begun meanwhile
		d.trial, d.status = nil, st
	}
	d.mu.Unlock()
	d.changed()
	return t.back
}

// take returns the trial of state, once.
func (d *DryRun) take(state string) *trial {
	d.mu.Lock()
	t := d.trial
	if t == nil || state == "" || t.sent.State == "" || subtle.ConstantTimeCompare([]byte(state), []byte(t.sent.State)) != 1 || d.now().Sub(t.begun) >= trialTime {
		d.mu.Unlock()
		return nil
	}
	t.sent.State = ""
	d.status = TrialStatus{State: TrialAsking}
	d.mu.Unlock()
	d.changed()
	return t
}

// finish is what comes of an answer.
func (t *trial) finish(ctx context.Context, answer url.Values) TrialStatus {
	failed := func(err error) TrialStatus { return TrialStatus{State: TrialFailed, Says: fromProvider(err)} }
	if iss := answer.Get("iss"); iss != "" && iss != t.cfg.Issuer && !config.ManyTenants(t.cfg.Issuer) {
		return TrialStatus{State: TrialFailed, Says: say("The answer came from another sign-in provider than the one configured. Begin the dry run again here, and use no other link.")}
	}
	if code := answer.Get("error"); code != "" {
		return failed(t.client.Explain(code, answer.Get("error_description")))
	}
	tried, err := t.client.Try(ctx, answer.Get("code"), t.sent)
	if err != nil {
		return failed(err)
	}
	return TrialStatus{State: TrialDone, Result: t.result(tried)}
}

func (d *DryRun) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}
