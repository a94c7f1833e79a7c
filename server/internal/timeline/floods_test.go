package timeline

import (
	"fmt"
	"strings"
	"testing"
)

// What strangers can do from one address or many pushes out nobody who came
// further, and nobody at another address.
func TestFloods(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	r.from("198.51.100.9", "Cursor", Facts{What: Registered, ClientID: "mine", Client: "Cursor"})
	r.see(Facts{What: Authorized, ClientID: "pending", Flow: "pending", Client: "Zed"})
	r.see(Facts{What: ConsentShown, Flow: "pending"})
	for i := range 5000 {
		one, many := "192.0.2.1", fmt.Sprintf("2001:db8:%x::1", i)
		id := fmt.Sprint(i)
		r.from(one, id, Facts{What: Registered, ClientID: "x" + id})
		r.from(one, id, Facts{What: AuthorizeUnknown, ClientID: "z" + id})
		r.from(one, id, Facts{What: Authorized, ClientID: "x" + id, Flow: id})
		r.from(one, id, Facts{What: ConsentShown, Flow: id})
		r.from(one, id, Facts{What: Challenged})
		r.from(many, id, Facts{What: Challenged})
		r.from(many, id, Facts{What: Missing, Path: id})
		r.from(many, id, Facts{What: Probed})
		r.from(many, id, Facts{What: WrongHost, Host: id})
	}
	got := map[string]int{}
	list := r.Attempts()
	for _, a := range list {
		got[a.Client]++
		if len(a.Steps) > maxSteps {
			t.Errorf("%d steps", len(a.Steps))
		}
	}
	if len(list) > 200 || got["Claude"] != 1 || got["Cursor"] != 1 || got["Zed"] != 1 {
		t.Errorf("%d attempts are left, of whom %v", len(list), got)
	}
	if n := strings.Count(r.keys(), "probes"); n != 1 {
		t.Errorf("%d attempts of probes", n)
	}
	if len(r.byKey) > 200*maxKeys {
		t.Errorf("%d keys", len(r.byKey))
	}
	for _, list := range r.classes {
		for _, a := range list {
			for _, k := range a.keys {
				if r.byKey[k] != a && k.kind != bySource && k.kind != byClient {
					t.Errorf("a key leads elsewhere")
				}
			}
		}
	}
}

// Of many sign-ins the newest are kept, and every bound holds.
func TestManySignIns(t *testing.T) {
	r := newRig()
	for i := range 1000 {
		for _, f := range goodSteps {
			n := fmt.Sprint(i)
			if f.ClientID != "" {
				f.ClientID += n
			}
			if f.Flow != "" {
				f.Flow += n
			}
			if f.Session != "" {
				f.Session += n
			}
			r.see(f)
		}
	}
	list := r.Attempts()
	if len(list) != limits[signedIn].all || list[0].Session != "s1999" {
		t.Errorf("%d are kept, the newest %s", len(list), list[0].Session)
	}
	live := 0
	r.live.Range(func(any, any) bool { live++; return true })
	if live != len(list) {
		t.Errorf("%d sessions need no look, of %d attempts", live, len(list))
	}
}

func TestOneWakeForManyProbes(t *testing.T) {
	r := newRig()
	woken := 0
	r.Tell(func() Situation { return home }, func() { woken++ })
	for range 500 {
		r.from("192.0.2.1", "x", Facts{What: Probed})
	}
	if woken != 1 {
		t.Errorf("woken %d times in half a second", woken)
	}
	r.see(Facts{What: Registered, ClientID: "c"})
	if woken != 2 {
		t.Error("a registration woke nobody")
	}
}
