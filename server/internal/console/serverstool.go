package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// tryTime is how long a tool that the owner tries may take.
const tryTime = time.Minute

// switchTool turns a tool on or off; the page shows it by the switch itself.
func (c *Console) switchTool(r *Request) (string, error) {
	return "", c.backend.SwitchTool(r.Context(), r.PostFormValue("server"), r.PostFormValue("tool"), r.PostFormValue("on") == "true")
}

// toolView is one tool, and a form that calls it.
type toolView struct {
	status.Offer
	Server     serverRow
	Parameters []parameter
	Answer     *toolAnswer
}

// toolAnswer is what a tool answered the owner.
type toolAnswer struct {
	Failed bool
	Took   time.Duration
	Parts  []answerPart
}

type answerPart struct {
	Label, Text string
	Number      int
}

func toolOf(r *Request, server serverRow, offer status.Offer) *toolView {
	v := &toolView{Offer: offer, Server: server, Parameters: parametersOf(offer.Schema)}
	for i, p := range v.Parameters {
		v.Parameters[i].Value = r.PostForm.Get("arg." + p.Name)
	}
	v.Answer, _ = r.Result.(*toolAnswer)
	return v
}

// tryTool calls a tool as the owner. That the tool is asked about or held back
// stands beside the button that was pressed.
func (c *Console) tryTool(r *Request) (string, error) {
	server, tool := r.URL.Query().Get("server"), r.URL.Query().Get("tool")
	offers := c.backend.Offers(server)
	i := slices.IndexFunc(offers, func(o status.Offer) bool { return o.Kind == "tool" && o.Name == tool })
	if i < 0 || offers[i].Off {
		return "", errors.New(r.Say("servers.try.gone"))
	}
	arguments, wrong := argumentsOf(parametersOf(offers[i].Schema), func(name string) string { return r.PostFormValue("arg." + name) })
	if wrong != "" {
		return "", errors.New(r.Say("servers.try.wrong", wrong))
	}
	ctx, cancel := context.WithTimeout(r.Context(), tryTime)
	defer cancel()
	began := time.Now()
	result, err := c.backend.Try(ctx, server, tool, arguments)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New(r.Say("servers.try.late"))
	}
	answer := answerOf(result, err)
	answer.Took = time.Since(began).Round(time.Millisecond)
	r.Result = answer
	return "", nil // the page says it below the form
}

// answerOf takes the result of tools/call apart (MCP, "Tool Result").
func answerOf(raw json.RawMessage, err error) *toolAnswer {
	if err != nil {
		return &toolAnswer{Failed: true, Parts: []answerPart{{Text: err.Error()}}}
	}
	var result struct {
		IsError           bool              `json:"isError"`
		Content           []json.RawMessage `json:"content"`
		StructuredContent json.RawMessage   `json:"structuredContent"`
	}
	if json.Unmarshal(raw, &result) != nil || result.Content == nil && result.StructuredContent == nil {
		return &toolAnswer{Parts: []answerPart{{Label: "json", Text: indented(raw)}}}
	}
	a := &toolAnswer{Failed: result.IsError}
	for _, item := range result.Content {
		var content struct {
			Type, Text, Data, MimeType string
			Resource                   struct{ URI, Text string }
		}
		switch _ = json.Unmarshal(item, &content); {
		case content.Type == "text":
			a.Parts = append(a.Parts, answerPart{Text: content.Text})
		case content.Data != "":
			a.Parts = append(a.Parts, answerPart{Label: content.Type, Text: fmt.Sprintf("%s, %d KiB", content.MimeType, len(content.Data)*3/4>>10)})
		case content.Resource.Text != "":
			a.Parts = append(a.Parts, answerPart{Label: content.Type, Text: content.Resource.URI + "\n" + content.Resource.Text})
		default:
			a.Parts = append(a.Parts, answerPart{Label: content.Type, Text: indented(item)})
		}
	}
	if result.StructuredContent != nil {
		a.Parts = append(a.Parts, answerPart{Label: "structured", Text: indented(result.StructuredContent)})
	}
	for i, part := range a.Parts {
		a.Parts[i].Number = i + 1
		if len(part.Text) > maxAnswer {
			a.Parts[i].Text = strings.ToValidUTF8(part.Text[:maxAnswer], "") + "\n…"
		}
	}
	return a
}

// maxAnswer bounds a part of an answer on the page, in bytes.
const maxAnswer = 64 << 10

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// parameter is a field of the form, by which an argument of a tool is given. Whatever
// has no field of its own is given as JSON.
type parameter struct {
	Name, Help, Value string
	Kind              string   // text, number, boolean, choice, json; all: the arguments as a whole
	Choices           []string // as JSON
	Default           string   // as JSON; "" if there is none
	Required          bool
}

// schema is as much of JSON Schema as a form shows.
type schema struct {
	Type        any               `json:"type"`
	Description string            `json:"description"`
	Enum        []json.RawMessage `json:"enum"`
	Default     json.RawMessage   `json:"default"`
	Properties  json.RawMessage   `json:"properties"`
	Required    []string          `json:"required"`
	AnyOf       []schema          `json:"anyOf"`
	OneOf       []schema          `json:"oneOf"`
	Ref         string            `json:"$ref"`
}

func parametersOf(raw json.RawMessage) []parameter {
	var s schema
	if json.Unmarshal(raw, &s) != nil || s.AnyOf != nil || s.OneOf != nil || s.Ref != "" {
		return []parameter{{Name: "", Kind: "all"}}
	}
	var list []parameter
	for name, property := range rpc.Members(s.Properties) {
		var of schema
		_ = json.Unmarshal(property, &of) // what can't be read is given as JSON
		p := parameter{Name: string(name), Help: of.Description, Kind: of.kind(), Default: string(of.Default), Required: slices.Contains(s.Required, string(name))}
		for _, choice := range of.Enum {
			p.Choices = append(p.Choices, string(choice))
		}
		list = append(list, p)
	}
	return list
}

// kind is the kind of a parameter. One that may be null is like one that may be
// left out.
func (s schema) kind() string {
	var types []string
	switch t := s.Type.(type) {
	case string:
		types = []string{t}
	case []any:
		for _, one := range t {
			types = append(types, fmt.Sprint(one))
		}
	}
	types = slices.DeleteFunc(types, func(t string) bool { return t == "null" })
	isNull := func(of schema) bool { return of.Type == "null" }
	if some := slices.DeleteFunc(slices.Clone(s.AnyOf), isNull); len(types) == 0 && len(some) == 1 {
		return some[0].kind()
	}
	switch {
	case len(s.Enum) > 0:
		return "choice"
	case len(types) != 1:
	case types[0] == "string":
		return "text"
	case types[0] == "integer", types[0] == "number":
		return "number"
	case types[0] == "boolean":
		return "boolean"
	}
	return "json"
}

// argumentsOf makes the arguments of what was filled in, or names the field that
// holds no value of its kind. What was left empty is left out, unless it is a
// text that must be there.
func argumentsOf(parameters []parameter, value func(name string) string) (arguments json.RawMessage, wrong string) {
	var members []string
	for _, p := range parameters {
		text := strings.ReplaceAll(value(p.Name), "\r\n", "\n")
		encoded := strings.TrimSpace(text)
		switch {
		case p.Kind == "text" && (text != "" || p.Required):
			encoded = asJSON(text)
		case encoded == "":
			continue
		case !json.Valid([]byte(encoded)), p.Kind == "number" && strings.IndexByte("-0123456789", encoded[0]) < 0, p.Kind == "all" && encoded[0] != '{':
			return nil, p.Name
		}
		if p.Kind == "all" {
			return json.RawMessage(encoded), ""
		}
		members = append(members, asJSON(p.Name)+":"+encoded)
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}"), ""
}

func asJSON(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
