package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// knownClients is about the clients that the owner adds, which prove who they are.
type knownClients struct {
	Add    clientAdd    `cmd:""`
	List   clientList   `cmd:""`
	Rotate clientRotate `cmd:""`
	Delete clientDelete `cmd:""`
}

type clientAdd struct {
	Name        string   `arg:""`
	RedirectURI []string `name:"redirect-uri" placeholder:"URI" sep:"none"`
	Grant       []string `enum:"authorization_code,refresh_token,jwt-bearer,client_credentials" placeholder:"GRANT" sep:"none"`
	JWKSURI     string   `name:"jwks-uri" placeholder:"URI"`
	asJSON
}

// credentials are what a client is told of itself.
type credentials struct {
	Client   *status.Client `json:"client,omitempty"`
	Secret   string         `json:"secret"`
	OldUntil time.Time      `json:"old_until,omitzero"`
}

func (c clientAdd) Run(a *app) error {
	st, err := ask(a, (*control.Client).Status)
	if err != nil {
		return err
	}
	made, err := ask(a, func(client *control.Client, ctx context.Context) (credentials, error) {
		added, secret, err := client.AddClient(ctx, status.NewClient{Name: c.Name, RedirectURIs: c.RedirectURI, Grants: c.Grant, JWKSURI: c.JWKSURI})
		return credentials{Client: &added, Secret: secret}, err
	})
	switch {
	case err != nil:
		return err
	case c.JSON:
		return a.out.json(made, "  ")
	}
	key := "cli.client.added"
	if made.Secret == "" {
		key = "cli.client.added.keys"
	}
	a.toCopy(key, made.Client.ID, made.Secret)
	for _, grant := range made.Client.Grants {
		if next := "cli.client.next." + grant; a.out.texts.Has(next) {
			a.toCopy(next, st.MCPURL, st.Issuer)
		}
	}
	return a.out.err
}

// toCopy prints what is copied from: none of its lines is broken.
func (a *app) toCopy(key string, args ...any) {
	_ = a.out.write(a.out.texts.Say(key, args...) + "\n")
}

type clientList struct{ asJSON }

func (c clientList) Run(a *app) error {
	return show(a, c.asJSON, func(client *control.Client, ctx context.Context) (known []status.Client, err error) {
		all, err := client.Clients(ctx)
		known = []status.Client{}
		for _, one := range all {
			if one.Known {
				known = append(known, one)
			}
		}
		return known, err
	}, a.out.known)
}

func (s *screen) known(list []status.Client) error {
	t := table{none: "cli.client.none", head: s.heads("id", "name", "may", "proof", "used", "sessions"), drop: []int{4, 5}, most: 100}
	for _, c := range list {
		proof := c.JWKSURI
		if !c.SecretSince.IsZero() {
			proof = s.texts.Say("cli.client.secret", s.relative(c.SecretSince))
		}
		if !c.OldSecretUntil.IsZero() {
			proof = join(proof, s.texts.Say("cli.client.old", s.relative(c.OldSecretUntil)))
		}
		t.addTexts(c.ID, c.Name, strings.Join(c.Grants, " "), proof, s.relative(c.LastUsed), fmt.Sprint(c.Sessions))
	}
	return s.table(t)
}

type clientRotate struct {
	Client string `arg:""`
	asJSON
}

func (c clientRotate) Run(a *app) error {
	made, err := ask(a, func(client *control.Client, ctx context.Context) (made credentials, err error) {
		made.Secret, made.OldUntil, err = client.RotateClient(ctx, c.Client)
		return made, err
	})
	switch {
	case err != nil:
		return err
	case c.JSON:
		return a.out.json(made, "  ")
	}
	a.toCopy("cli.client.rotated", made.Secret, a.out.relative(made.OldUntil))
	return a.out.err
}

type clientDelete struct {
	Client string `arg:""`
}

func (c clientDelete) Run(a *app) error {
	return tell(a, func(client *control.Client, ctx context.Context) error { return client.DeleteClient(ctx, c.Client) }, "cli.client.deleted")
}
