package oauth

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A flood of good assertions, and of ones that no key has signed, costs nobody else
// a sign-in or a call, and is a few requests at the provider. By DRAWBRIDGE_LONG it
// is ten thousand, as fast as one address may ask.
func TestEnterpriseFlood(t *testing.T) {
	e := newEnterprise(t)
	each := 30
	if rig.Long() {
		each = 1250
	}
	browser, client := rig.NewBrowser(t), e.app.Register(t, rig.ClientURI)
	tokens := e.app.SignIn(t, browser, client, "alice")
	e.in()
	before := rig.HeapSize()
	var all sync.WaitGroup
	var good, bad, limited, other atomic.Int64
	for w := range 8 {
		all.Go(func() {
			for i := range each {
				j := e.with("sub", quoted(fmt.Sprint("person", w, i%40)), "email", "")
				if i%3 == 0 {
					j.set(&j.header, "kid", quoted(fmt.Sprint("no key", w, i)))
				}
				switch r := e.redeem(j.text()); {
				case r.Status == 200:
					good.Add(1)
				case r.Status == 429:
					limited.Add(1)
				case r.Error() == "invalid_grant" && i%3 == 0:
					bad.Add(1)
				default:
					other.Add(1)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	calls := 0
	for flooded := false; !flooded; calls++ {
		e.app.MustWorkWith(t, tokens.Access)
		select {
		case <-done:
			flooded = true
		default:
		}
	}
	e.app.SignIn(t, rig.NewBrowser(t), client, "bob")
	if asked := e.company.asked.Load(); other.Load() > 0 || good.Load() == 0 || bad.Load() == 0 || asked > 40 {
		t.Errorf("%d good, %d refused, %d told to wait, %d otherwise; %d requests for keys", good.Load(), bad.Load(), limited.Load(), other.Load(), asked)
	}
	if after := rig.HeapSize(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d KB", before>>10, after>>10)
	}
	t.Logf("%d good, %d refused, %d told to wait, %d calls of another client meanwhile", good.Load(), bad.Load(), limited.Load(), calls)
}
