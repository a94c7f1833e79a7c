package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The owner looks at all that a server offers, whoever may use it.
func TestOffers(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:delete", "r:look", "t:new", "p:hello", "uri:x://1", "template:x://{id}"), "b": {hang: true}}, func(o *Options) {
		o.Policy = func() Policy { return policy.New([]config.Rule{{Emails: []string{"somebody@else.example"}}}) }
		o.Pins = &fakePins{changed: "new"}
		o.Settings = func(string) config.ServerSettings {
			return config.ServerSettings{ToolsOff: []string{"del*"}, Ask: []string{"look"}, HoldChanges: true}
		}
	})
	var got []string
	for _, o := range r.Offers("a") {
		got = append(got, fmt.Sprintf("%s %s off=%v ask=%v held=%v reads=%v", o.Kind, o.Name, o.Off, o.Ask, o.Held, o.ReadOnly))
	}
	equal(t, "a", strings.Join(got, "; "), "tool delete off=true ask=false held=false reads=false; tool look off=false ask=true held=false reads=true; "+
		"tool new off=false ask=false held=true reads=false; prompt hello off=false ask=false held=false reads=false; "+
		"resource x://1 off=false ask=false held=false reads=false; template x://{id} off=false ask=false held=false reads=false")
	if len(r.Offers("b"))+len(r.Offers("none")) != 0 {
		t.Error("something is offered by servers that have said nothing")
	}
	var own []string
	for _, o := range r.Offers(Own) {
		own = append(own, fmt.Sprintf("%s off=%v", o.Name, o.Off))
	}
	equal(t, "built in", strings.Join(own, "; "), "add off=true; echo off=false; whoami off=false")
}

// The owner calls a tool past rules, questions and the limit of a session; history
// names them. What a server asks back finds nobody.
func TestTry(t *testing.T) {
	var heard []string
	a := offering("t:write")
	r := newRig(t, map[string]*server{"a": a}, func(o *Options) {
		o.Policy = func() Policy { return policy.New([]config.Rule{{Emails: []string{"somebody@else.example"}}}) }
		o.Ask = func(context.Context, status.Approval) error { return errors.New("asked") }
		o.CallsPerMinute = func() int { return 1 }
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{Ask: []string{"*"}} }
		o.OnCall = func(who *oauth.Caller, server, tool string, _ time.Duration, err error) {
			heard = append(heard, fmt.Sprintf("%s with %s, session %q: %s/%s %v", who.User.Sub, who.Client.Name, who.Session, server, tool, err))
		}
	})
	for range 2 {
		result, err := r.Try(t.Context(), "a", "write", json.RawMessage(`{"text":"x"}`))
		if err != nil || !strings.Contains(string(result), "a: tools/call") {
			t.Fatalf("%s, %v", result, err)
		}
	}
	equal(t, "sent", r.mounts.called("a")[0], `tools/call {"arguments":{"text":"x"},"name":"write"}`)
	a.call = func(context.Context, string, object, rpc.Peer) (string, error) {
		return `{"isError":true,"content":[]}`, nil
	}
	if _, err := r.Try(t.Context(), "a", "write", nil); err != nil {
		t.Error(err)
	}
	if _, err := r.Try(t.Context(), "none", "write", nil); err == nil {
		t.Error("a server that is not there answers")
	}
	if _, err := r.Try(t.Context(), "a", "write", json.RawMessage(`{"a":1,"a":2}`)); err == nil {
		t.Error("a member that comes twice is sent")
	}
	if result, err := r.Try(t.Context(), Own, "echo", json.RawMessage(`{"message":"hi"}`)); err != nil || !strings.Contains(string(result), "own echo") {
		t.Errorf("echo: %s, %v", result, err)
	}
	const who = `owner of this computer with Drawbridge console, session "": `
	equal(t, "heard", strings.Join(heard, "\n"), who+"a/write <nil>\n"+who+"a/write <nil>\n"+who+"a/write "+errToolFailed.Error()+"\n"+who+"drawbridge/echo <nil>")
}
