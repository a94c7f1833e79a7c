//go:build unix

package mount

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// TestGreeting has servers that write something before their first message at
// each start. Two people: what is learnt of the first start must not be what
// makes the second work.
func TestGreeting(t *testing.T) {
	for _, before := range []string{`\ufeff`, `Welcome!`, `\ufeffWelcome! `, `\x1b[32mready\x1b[0m `, `{not json} `, `listening on {"port": 3000} `, `> {`, `Hello\n`, `\ufeff\n`, `\r\n\r\n`, `[info] `} {
		for _, era := range []string{"legacy", "modern"} {
			t.Run(fmt.Sprintf("%q %s", before, era), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, quick, Options{})
				r.Apply([]config.Server{own("x", "before="+before, era)})
				if ana, bob := r.pid("ana"), r.pid("bob"); ana <= 0 || bob <= 0 {
					t.Errorf("ana %d, bob %d", ana, bob)
				}
			})
		}
	}
}

// TestQuotedMessages has a server that logs to stdout what it was asked and says:
// what it quotes is not said twice.
func TestQuotedMessages(t *testing.T) {
	lines := "DEBUG got {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"
	if messages, err := parseBehind([]byte(lines)); err == nil {
		t.Errorf("a request was taken out of a log line: %+v", messages)
	}
	if messages, err := parseBehind([]byte(`Hi {"jsonrpc":"2.0","id":1,"result":{"a":{}}}`)); err != nil || len(messages) != 1 || string(messages[0].Result) != `{"a":{}}` {
		t.Errorf("%+v, %v", messages, err)
	}
}

// TestIDs has servers that send back their callers' numbers in another form.
func TestIDs(t *testing.T) {
	for _, form := range []string{`"N"`, `N.0`, `N.00`, `Ne0`, `"N.0"`} {
		for _, era := range []string{"legacy", "modern"} {
			t.Run(form+" "+era, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, quick, Options{})
				r.Apply([]config.Server{own("x", "ids="+form, era)})
				l := &listener{}
				result, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`{"name":"progress","_meta":{"progressToken":"mine"}}`), l)
				if err != nil || string(result.Raw()) != "{}" || !strings.Contains(l.all(), `"progressToken":"mine"`) {
					t.Errorf("%s, %v, %s", result, err, l.all())
				}
			})
		}
	}
}

func TestNumberOf(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, `"1"`: 1, "1.0": 1, "1e0": 1, "10E-1": 1, `"7.0"`: 7, "-3": -3, "9007199254740993": 9007199254740993} {
		if n, ok := numberOf(json.RawMessage(text)); !ok || n != want {
			t.Errorf("%s: %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "null", "true", "1.5", `""`, `"a"`, `" 1"`, `"0x1"`, "{}", "[1]", "1e300", `"NaN"`, `"Inf"`, `"1_0"`} {
		if n, ok := numberOf(json.RawMessage(text)); ok {
			t.Errorf("%s: %d", text, n)
		}
	}
}

// TestStrayAnswers has answers that no call waits for: they are noted, and stop
// nothing.
func TestStrayAnswers(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	if got := string(r.mustTool("ana", "lie", "", 0, nil)); got != `{"text":"true"}` {
		t.Error(got)
	}
	for _, id := range []string{"424242", `"a"`, `{"b":[]}`} {
		if want := "It answered a request that was not made, with the id " + id; !strings.Contains(r.logs(), want) {
			t.Errorf("the log lacks %q:\n%s", want, r.logs())
		}
	}
}

// TestUnicodeLineEnds has arguments with characters that end a line for some.
func TestUnicodeLineEnds(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x", "unicode-lines")})
	for _, text := range []string{"a\u2028b", "\u2029", "\u0085", "a\u2028\u2029\u0085\u2028", "\r\n\v\f\x1c\x1d\x1e", "é\u00a0\u2027\u202a", `\u2028`} {
		got := r.mustTool("ana", "echo", text, 0, nil)
		var result struct{ Text string }
		if err := json.Unmarshal(got, &result); err != nil || result.Text != text {
			t.Errorf("%q came back as %q, %v", text, result.Text, err)
		}
	}
	// In names of members, too, and in what a client notifies.
	result, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage("{\"name\":\"params\",\"_meta\":{\"a\u2028\":\"\u2029\"},\"arguments\":{\"\u0085\":1}}"), nil)
	if err != nil || !strings.Contains(string(result.Raw()), `"a\u2028":"\u2029"`) || !strings.Contains(string(result.Raw()), `{"\u0085":1}`) { // it shows the very bytes that it got
		t.Errorf("%s, %v", result.Raw(), err)
	}
}

func FuzzEscapeLineEnds(f *testing.F) {
	f.Add("a\u2028b\u2029\u0085")
	f.Add("\xe2\x80\xc2")
	f.Fuzz(func(t *testing.T, text string) {
		was := encode(map[string]string{text: text})
		got := escapeLineEnds(bytes.Clone(was))
		if bytes.ContainsAny(got, "\u2028\u2029\u0085") {
			t.Fatalf("left in %q", got)
		}
		var a, b map[string]string
		if json.Unmarshal(was, &a) != nil || json.Unmarshal(got, &b) != nil || a[text] != b[text] {
			t.Fatalf("%q became %q", was, got)
		}
	})
}

func FuzzBehind(f *testing.F) {
	for _, seed := range []string{`Hi {"id":1,"result":{}}`, "\ufeff{}", `{{{{`, `{"a":{"id":1,"error":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, err := parseBehind(data)
		if err == nil && (len(messages) == 0 || !messages[0].isAnswer() || messages[0].ID == nil) {
			t.Fatalf("%q: %+v", data, messages)
		}
		m := message{ID: data}
		if n, ok := m.number(); ok && n == 0 && !bytes.ContainsRune(data, '0') {
			t.Fatalf("%q is %d", data, n)
		}
	})
}

// TestOddItems has lists with items that clients refuse, among good ones.
func TestOddItems(t *testing.T) {
	r := newRig(t, quick, Options{})
	good := `{"name":"good","inputSchema":{"type":"object"},"x-own":1.50}`
	r.Apply([]config.Server{own("x", `tools=[`+good+`,{"name":"bad"},{"name":"null","description":null,"inputSchema":{"type":"object"}},{"inputSchema":{}},7,{"name":"good"},{"name":"out","outputSchema":[],"inputSchema":{"anyOf":[]}}]`)})
	c, err := r.Catalog(within(t), "x", Client{}, Needed)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tool := range c.Tools {
		got = append(got, string(tool.Raw))
	}
	want := []string{good, `{"inputSchema":{"type":"object"},"name":"bad"}`, `{"inputSchema":{"type":"object"},"name":"null"}`, `{"inputSchema":{"anyOf":[],"type":"object"},"name":"out"}`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, line := range []string{`tool "bad": inputSchema: there is none`, `tool "null": description: null was left out`, `tool "": left out: it has no name`, `tool "": left out: it is no object`, `tool "out": outputSchema: it is no schema`} {
		if !strings.Contains(strings.Join(c.Odd, "\n"), line) || !strings.Contains(r.logs(), line) {
			t.Errorf("%s is not said in %q, or in the log\n%s", line, c.Odd, r.logs())
		}
	}
}

// TestOddDescriptions has servers that say of themselves what no client can read:
// their tools are there all the same.
func TestOddDescriptions(t *testing.T) {
	for _, habit := range []string{`capabilities=[]`, `capabilities=null`, `capabilities="tools"`, `capabilities=7`, `capabilities=true`, `capabilities={"tools":[],"prompts":7}`,
		`instructions=null`, `instructions=5`, `instructions=["a"]`, `instructions={}`} {
		for era, flags := range fixtureEras {
			t.Run(habit+" "+era, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, quick, Options{})
				r.Apply([]config.Server{own("x", append(slices.Clone(flags), habit)...)})
				c, err := r.Catalog(within(t), "x", Client{}, Needed)
				if err != nil || len(c.Tools) == 0 {
					t.Fatalf("%+v, %v", c, err)
				}
				capabilities, err := asObject(c.Description.Capabilities)
				if err != nil || capabilities["tools"] == nil {
					t.Errorf("it has tools, and says %s", c.Description.Capabilities)
				}
			})
		}
	}
}
