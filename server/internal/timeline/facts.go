package timeline

import (
	"context"
	"reflect"
	"sync"
)

// Facts are what a handler knows of the request it answers. None of them may
// be a secret: a flow and a client are told apart by their ids, of which a
// hash is kept; a redirect URI is told by its host unless it was refused.
type Facts struct {
	What     What   // what has happened; "" leaves it to path and status
	ClientID string // kept as a hash
	Client   string // its name
	Flow     string // kept as a hash
	Session  string
	User     string
	Groups   []string // of the user, as the provider names them
	Host     string   // of the redirect URI
	Redirect string   // a redirect URI that was refused, for the owner to allow; one with a query is not kept
	Resource string   // that was asked for; query and user name are cut off
	Reason   string   // a sentence of ours
	Path     string   // by which the request came, if it is one of those we name
	Version  string   // of the MCP protocol
	Method   string   // of MCP
	Server   string   // the one mounted server that this is for
}

// with returns f with what more says besides, or instead.
func (f Facts) with(more Facts) Facts {
	from, to := reflect.ValueOf(more), reflect.ValueOf(&f).Elem()
	for i := range from.NumField() {
		if value := from.Field(i); !value.IsZero() {
			to.Field(i).Set(value)
		}
	}
	return f
}

// notes are the facts that the handlers of one request have told.
type notes struct {
	mu    sync.Mutex // guards facts
	facts Facts
}

type notesKey struct{}

// Note adds facts to the step that the request of ctx becomes. What is told
// later counts. Where nobody records it does nothing.
func Note(ctx context.Context, f Facts) {
	n, _ := ctx.Value(notesKey{}).(*notes)
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.facts = n.facts.with(f)
}

func (n *notes) told() Facts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.facts
}
