package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// clients shows the programs that come here, and adds those that prove who they
// are. A secret is on the page that answers its form and on no other.
func (c *Console) clients() *Page {
	return &Page{
		Name:  "clients",
		Draw:  func(r *Request) any { return c.clientsOf(r) },
		Parts: []string{"clients-list"},
		Actions: map[string]Action{
			"add":    c.addClient,
			"rotate": c.rotateClient,
			"delete": sure(c.ofClient("clients.did.delete", c.backend.DeleteClient)),
		},
	}
}

type clientsData struct {
	Rows []clientRow
	Made *madeClient
	Form status.NewClient // what was refused
	May  []mayRow
}

type clientRow struct {
	status.Client
	ClientName, Vouched string
}

// mayRow is one thing that a client may be allowed to do.
type mayRow struct {
	Grant string
	On    bool
}

// madeClient is what its client has to be told.
type madeClient struct {
	ID, Secret string
	Grants     []string
	OldUntil   time.Time
}

func (c *Console) clientsOf(r *Request) clientsData {
	var d clientsData
	d.Made, _ = r.Result.(*madeClient)
	d.Form, _ = r.Result.(status.NewClient)
	for _, grant := range []string{"jwt-bearer", "client_credentials", "authorization_code"} {
		d.May = append(d.May, mayRow{grant, slices.Contains(d.Form.Grants, grant) || d.Form.Name == "" && grant == "jwt-bearer"})
	}
	for _, client := range c.backend.Clients() {
		d.Rows = append(d.Rows, clientRow{client, cmp.Or(assets.Name(client.Name), r.Say("client.unnamed")), vouched(status.SessionClient{Kind: client.Kind})})
	}
	return d
}

func (c *Console) addClient(r *Request) (string, error) {
	n := status.NewClient{Name: strings.TrimSpace(r.PostFormValue("name")), JWKSURI: strings.TrimSpace(r.PostFormValue("jwks_uri")),
		RedirectURIs: strings.Fields(r.PostFormValue("redirect_uris")), Grants: r.PostForm["grant"]}
	r.Result = n
	if len(n.Grants) == 0 {
		return "", errors.New(r.Say("clients.may.none"))
	}
	if slices.Contains(n.Grants, "authorization_code") {
		n.Grants = append(n.Grants, "refresh_token")
	}
	added, secret, err := c.backend.AddClient(r.Context(), n)
	if err != nil {
		return "", err
	}
	r.Result = &madeClient{ID: added.ID, Secret: secret, Grants: added.Grants}
	return r.Say("clients.did.add", assets.Name(added.Name)), nil
}

func (c *Console) rotateClient(r *Request) (string, error) {
	return c.ofClient("clients.did.rotate", func(ctx context.Context, id string) error {
		secret, until, err := c.backend.RotateClient(ctx, id)
		if err == nil {
			r.Result = &madeClient{ID: id, Secret: secret, OldUntil: until}
		}
		return err
	})(r)
}

// ofClient does something to the client that a form names.
func (c *Console) ofClient(key string, do func(ctx context.Context, id string) error) Action {
	return func(r *Request) (string, error) {
		err := do(r.Context(), r.PostFormValue("id"))
		if errors.Is(err, control.ErrNotFound) {
			return r.Say("clients.gone"), nil
		}
		return r.Say(key), err
	}
}
