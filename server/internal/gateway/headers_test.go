package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// It handles Mcp-Param-* headers: those that the tool's schema asks for must
// be what the arguments are (H, "Server Behavior for Custom Headers", TR-18).
func TestParamHeaders(t *testing.T) {
	r := newRig(t)
	r.tool("sql", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) { return said("ran"), nil })
	r.fake.schemas["sql"] = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},
		"on":{"type":"boolean","x-mcp-header":"on"},"deep":{"type":"object","properties":{"er":{"type":"string","x-mcp-header":"Deep"}}},
		"list":{"type":"array","items":{"properties":{"no":{"x-mcp-header":"Nowhere"}}}},"odd":{"x-mcp-header":5}}}`
	for name, c := range map[string]struct {
		args    string
		headers []string
		ok      bool
	}{
		"nothing":                      {`{}`, nil, true},
		"null":                         {`{"region":null}`, nil, true},
		"null with a header":           {`{"region":null}`, []string{"Mcp-Param-Region: x"}, false},
		"a header without value":       {`{}`, []string{"Mcp-Param-Region: x"}, false},
		"a value without header":       {`{"region":"x"}`, nil, false},
		"both":                         {`{"region":"x"}`, []string{"mcp-param-REGION: x"}, true}, // TR-19
		"different values":             {`{"region":"x"}`, []string{"Mcp-Param-Region: X"}, false},
		"a coded value":                {`{"region":"日"}`, []string{"Mcp-Param-Region: =?base64?5pel?="}, true},
		"letters that must be coded":   {`{"region":"日"}`, []string{"Mcp-Param-Region: 日"}, false},
		"what looks coded":             {`{"region":"=?base64?eA=="}`, []string{"Mcp-Param-Region: =?base64?eA=="}, true},
		"an integer":                   {`{"n":42}`, []string{"Mcp-Param-N: 42.0"}, true},
		"another integer":              {`{"n":42}`, []string{"Mcp-Param-N: 43"}, false},
		"a fraction":                   {`{"n":1.5}`, []string{"Mcp-Param-N: 1.5"}, false},
		"an integer beyond":            {`{"n":9007199254740992}`, []string{"Mcp-Param-N: 9007199254740992"}, false},
		"an integer for a string":      {`{"region":42}`, []string{"Mcp-Param-Region: forty-two"}, false},
		"an object for a string":       {`{"region":{}}`, []string{"Mcp-Param-Region: {}"}, false},
		"a boolean":                    {`{"on":true}`, []string{"Mcp-Param-On: true"}, true},
		"another boolean":              {`{"on":true}`, []string{"Mcp-Param-On: True"}, false},
		"a nested one":                 {`{"deep":{"er":"x"}}`, []string{"Mcp-Param-Deep: x"}, true},
		"a nested one left out":        {`{"deep":{"er":"x"}}`, nil, false},
		"another case of the name":     {`{"region":"x","Region":"y"}`, []string{"Mcp-Param-Region: x"}, false},
		"another case, and no header":  {`{"REGION":"y"}`, nil, false},
		"another case in a nested one": {`{"deep":{"er":"x","E\u0072":"y","eR":"z"}}`, []string{"Mcp-Param-Deep: x"}, false},
		"another case above":           {`{"Deep":{"er":"y"}}`, nil, false},
		"another case of no header":    {`{"list":1,"List":2}`, nil, true},
		"an unknown header":            {`{"list":[{"no":"x"}]}`, []string{"Mcp-Param-Nowhere: y", "Mcp-Param-Else: z"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			body, headers := stateless("sql", c.args)
			resp := r.post(body, append(headers, c.headers...)...)
			got := text(t, resp)
			if c.ok && !strings.Contains(got, "ran") || !c.ok && (resp.StatusCode != 400 || !strings.Contains(got, "-32020")) {
				t.Errorf("%d %s", resp.StatusCode, got)
			}
		})
	}
}

// A request in a transport session has no such headers; if it does, something on
// the way may have decided by them, so that they must be true.
func TestHeadersInASession(t *testing.T) {
	r := newRig(t)
	r.tool("sql", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) { return said("ran"), nil })
	session := r.initialize()
	for name, c := range map[string]struct {
		headers []string
		ok      bool
	}{
		"none":             {nil, true},
		"true ones":        {[]string{"Mcp-Method: tools/call", "Mcp-Name: sql"}, true},
		"only the method":  {[]string{"Mcp-Method: tools/call"}, true},
		"only the name":    {[]string{"Mcp-Name: sql"}, true},
		"another method":   {[]string{"Mcp-Method: tools/list"}, false},
		"another name":     {[]string{"Mcp-Name: echo"}, false},
		"the method twice": {[]string{"Mcp-Method: tools/call", "+Mcp-Method: tools/call"}, false},
		"the name twice":   {[]string{"Mcp-Name: sql", "+Mcp-Name: sql"}, false},
		"an empty name":    {[]string{"+Mcp-Name: "}, false},
	} {
		t.Run(name, func(t *testing.T) {
			resp := r.post(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"sql","arguments":{}}}`, append([]string{session}, c.headers...)...)
			got := text(t, resp)
			if c.ok && !strings.Contains(got, "ran") || !c.ok && (resp.StatusCode != 400 || !strings.Contains(got, "-32020")) {
				t.Errorf("%d %s", resp.StatusCode, got)
			}
		})
	}
}
