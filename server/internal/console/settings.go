package console

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// settings is the lifetimes of tokens, which clients may connect, and whose word
// counts without a page.
func (c *Console) settings() *Page {
	return &Page{
		Name:    "settings",
		Draw:    func(r *Request) any { return c.formsOf(r, "tokens", "clients", "enterprise") },
		Actions: map[string]Action{"save": c.saveForm},
	}
}

// configForm is some keys of config.toml to edit.
type configForm struct {
	Name    string // "rule-2": one of several
	Entries []entry
	Seen    string // what they said when they were drawn

	// Of a rule: which one, whether it is yet to be made, was refused, and what
	// it says in short.
	Number    int
	New, Open bool
	Summary   string
}

// entry is one key of a form.
type entry struct {
	Name, Kind   string // Kind: list, tick, time
	Value, Error string // a list has one item a line
	On           bool

	to any // in the configuration
}

// formOf is the form of a name over cfg, or nil. The rule after the last is a
// new one.
func formOf(cfg *config.Config, name string) *configForm {
	f := &configForm{Name: name}
	kind, number, _ := strings.Cut(name, "-")
	var table any
	switch kind {
	case "people":
		table = &cfg.Access
	case "rule":
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i > len(cfg.Access.Rules) {
			return nil
		}
		cfg.Access.Rules = slices.Clone(cfg.Access.Rules)
		f.Number, f.New = i+1, i == len(cfg.Access.Rules)
		if f.New {
			cfg.Access.Rules = append(cfg.Access.Rules, config.Rule{})
		}
		table = &cfg.Access.Rules[i]
	case "tokens":
		table = &cfg.Tokens
	case "clients":
		table = &cfg.Clients
	case "enterprise":
		table = &cfg.Enterprise
	default:
		return nil
	}
	seen := []string{name}
	v := reflect.ValueOf(table).Elem()
	for i := range v.NumField() {
		e := entry{Name: v.Type().Field(i).Tag.Get("key"), to: v.Field(i).Addr().Interface()}
		switch to := e.to.(type) {
		case *[]string:
			e.Kind, e.Value = "list", strings.Join(*to, "\n")
		case *bool:
			e.Kind, e.On = "tick", *to
		case *time.Duration:
			e.Kind, e.Value = "time", config.Short(*to)
		default: // the rules, which have forms of their own
			continue
		}
		f.Entries = append(f.Entries, e)
		seen = append(seen, fmt.Sprint(e.Value, e.On))
		if e.Value != "" {
			f.Summary += " · " + strings.ReplaceAll(e.Value, "\n", ", ")
		}
	}
	f.Seen = key(seen...)
	return f
}

// formsOf draws forms; one that was refused as it was sent.
func (c *Console) formsOf(r *Request, names ...string) (forms []*configForm) {
	cfg := c.backend.Config()
	refused, _ := r.Result.(*configForm)
	for _, name := range names {
		f := formOf(&cfg, name)
		if refused != nil && refused.Name == name {
			f = refused
		}
		forms = append(forms, f)
	}
	return forms
}

// saveForm writes a form, or removes its rule, unless the file says something
// else by now.
func (c *Console) saveForm(r *Request) (string, error) {
	var f *configForm
	wrong := errors.New(r.Say("settings.wrong"))
	err := c.backend.ChangeConfig(r.Context(), func(cfg *config.Config) error {
		f = formOf(cfg, r.PostFormValue("form"))
		if f == nil || f.Seen != r.PostFormValue("seen") {
			return errors.New(r.Say("settings.changed"))
		}
		var err error
		if r.PostFormValue("do") == "remove" && f.Number > 0 {
			cfg.Access.Rules = slices.Delete(cfg.Access.Rules, f.Number-1, f.Number)
		} else {
			for i := range f.Entries {
				f.Entries[i].take(r)
				if f.Entries[i].Error != "" {
					err = wrong
				}
			}
		}
		if f.Name == "people" && cfg.Access.Empty() {
			return errors.New(r.Say("access.nobody"))
		}
		*cfg = wizard.WithScopes(*cfg)
		return err
	})
	if err == nil {
		return r.Say("settings.saved"), nil
	}
	for _, e := range config.Errors(err) {
		if f.blame(e) {
			err = wrong
		}
	}
	if err == wrong {
		f.Open = true
		r.Result = f
	}
	return "", err
}

// take puts what a person entered into the configuration.
func (e *entry) take(r *Request) {
	e.Value = strings.TrimSpace(r.PostFormValue(e.Name))
	switch to := e.to.(type) {
	case *bool:
		e.On = e.Value != ""
		*to = e.On
	case *[]string:
		var items []string
		for item := range strings.FieldsFuncSeq(e.Value, func(r rune) bool { return r == '\n' || r == ',' && e.Name != "groups" }) {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		if len(items) > 0 || len(*to) > 0 { // an empty list says something else than none
			*to = items
		}
	case *time.Duration:
		var err error
		if *to, err = time.ParseDuration(strings.ReplaceAll(e.Value, " ", "")); err != nil {
			e.Error = r.Say("settings.duration")
		}
	}
}

// blame puts an error beside the key that it is about.
func (f *configForm) blame(err *config.Error) bool {
	name := err.Key[strings.LastIndex(err.Key, ".")+1:]
	name, _, _ = strings.Cut(name, "[")
	for i := range f.Entries {
		if f.Entries[i].Name == name {
			f.Entries[i].Error = err.Msg
			return true
		}
	}
	return false
}
