//go:build programs

package programs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// model stands in for the language model of a program: it calls echo once for
// each step, after something was done to Drawbridge, and then says that it is
// done. It speaks the four languages that these programs speak with theirs.
type model struct {
	URL string

	mu      sync.Mutex // guards what follows
	steps   []func()
	ran     int      // steps done
	results []string // what echo came to, as the program told it
	asked   []string // paths, for a report
}

func startModel(t *testing.T) *model {
	m := &model{}
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	m.URL = srv.URL
	return m
}

// plan begins a conversation of these steps.
func (m *model) plan(steps ...func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.steps, m.ran, m.results, m.asked = steps, 0, nil, nil
}

// said returns what the program told of each call.
func (m *model) said() (results, asked []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.results, m.asked
}

// decide says whether to call echo, being told what came of the calls before.
func (m *model) decide(results []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results = results
	n := len(results)
	if n >= len(m.steps) {
		return false
	}
	if n == m.ran { // a program may ask the same twice
		m.ran++
		if step := m.steps[n]; step != nil {
			step()
		}
	}
	return true
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.asked = append(m.asked, r.Method+" "+r.URL.Path)
	m.mu.Unlock()
	var q map[string]any
	_ = json.Unmarshal(body, &q)
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/messages"):
		m.anthropic(w, q)
	case strings.HasSuffix(path, "/responses"):
		m.responses(w, q)
	case strings.HasSuffix(path, "/chat/completions"):
		m.completions(w, q)
	case strings.HasSuffix(path, "ontent"): // generateContent, streamGenerateContent
		m.gemini(w, q, strings.Contains(path, "stream"))
	case strings.HasSuffix(path, "count_tokens"):
		answer(w, object{"input_tokens": 1})
	case strings.HasSuffix(path, ":countTokens"):
		answer(w, object{"totalTokens": 1})
	case strings.HasSuffix(path, "/models"):
		answer(w, object{"object": "list", "data": []object{{"id": "fake", "object": "model"}}, "models": []object{}})
	default:
		http.NotFound(w, r)
	}
}

type object = map[string]any

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// stream answers with server-sent events, named as their type if they have one.
func stream(w http.ResponseWriter, events ...any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		if o, ok := e.(object); ok && o["type"] != nil {
			fmt.Fprintf(w, "event: %s\n", o["type"])
		}
		line, _ := json.Marshal(e)
		fmt.Fprintf(w, "data: %s\n\n", line)
	}
}

// find returns the objects within v, at any depth, for which is holds.
func find(v any, is func(object) bool) (found []object) {
	switch v := v.(type) {
	case object:
		if is(v) {
			return []object{v}
		}
		for _, key := range []string{"tools", "functionDeclarations", "function", "input", "messages", "contents", "parts", "content"} {
			found = append(found, find(v[key], is)...)
		}
	case []any:
		for _, e := range v {
			found = append(found, find(e, is)...)
		}
	}
	return found
}

// echoTool is the tool's name, as the program offers it to its model.
func echoTool(q object) string {
	for _, tool := range find(q["tools"], func(o object) bool { name, ok := o["name"].(string); return ok && strings.HasSuffix(name, "echo") }) {
		return tool["name"].(string)
	}
	return ""
}

// results returns what came of each call, in the conversation that q tells.
func results(q object, of func(object) bool) []string {
	var out []string
	for _, key := range []string{"messages", "input", "contents"} {
		for _, o := range find(q[key], of) {
			text, _ := json.Marshal(o)
			out = append(out, string(text))
		}
	}
	return out
}

func typed(kinds ...string) func(object) bool {
	return func(o object) bool {
		for _, k := range kinds {
			if o["type"] == k {
				return true
			}
		}
		return false
	}
}

const arguments = `{"message":"grüezi"}`

func (m *model) anthropic(w http.ResponseWriter, q object) {
	tool := echoTool(q)
	past := results(q, typed("tool_result"))
	block, delta, reason := object{"type": "text", "text": ""}, object{"type": "text_delta", "text": "done"}, "end_turn"
	if tool != "" && m.decide(past) {
		block = object{"type": "tool_use", "id": fmt.Sprintf("toolu_%d", len(past)), "name": tool, "input": object{}}
		delta, reason = object{"type": "input_json_delta", "partial_json": arguments}, "tool_use"
	}
	usage := object{"input_tokens": 1, "output_tokens": 1}
	message := object{"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": []object{}, "stop_reason": nil, "stop_sequence": nil, "usage": usage}
	if q["stream"] != true {
		message["content"], message["stop_reason"] = []object{{"type": "text", "text": "done"}}, "end_turn"
		answer(w, message)
		return
	}
	stream(w,
		object{"type": "message_start", "message": message},
		object{"type": "content_block_start", "index": 0, "content_block": block},
		object{"type": "content_block_delta", "index": 0, "delta": delta},
		object{"type": "content_block_stop", "index": 0},
		object{"type": "message_delta", "delta": object{"stop_reason": reason, "stop_sequence": nil}, "usage": usage},
		object{"type": "message_stop"})
}

func (m *model) responses(w http.ResponseWriter, q object) {
	tool := echoTool(q)
	past := results(q, typed("function_call_output"))
	item := object{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []object{{"type": "output_text", "text": "done", "annotations": []any{}}}}
	if tool != "" && m.decide(past) {
		id := fmt.Sprintf("call_%d", len(past))
		item = object{"type": "function_call", "id": "fc_" + id, "call_id": id, "name": tool, "arguments": arguments, "status": "completed"}
		for _, space := range find(q["tools"], func(o object) bool { return o["type"] == "namespace" && echoTool(o) != "" }) {
			item["namespace"] = space["name"]
		}
	}
	response := object{"id": "resp_1", "object": "response", "status": "completed", "model": "fake", "output": []object{item},
		"usage": object{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
	stream(w,
		object{"type": "response.created", "response": object{"id": "resp_1", "object": "response", "status": "in_progress", "output": []any{}}},
		object{"type": "response.output_item.added", "output_index": 0, "item": item},
		object{"type": "response.output_item.done", "output_index": 0, "item": item},
		object{"type": "response.completed", "response": response})
}

func (m *model) completions(w http.ResponseWriter, q object) {
	tool := echoTool(q)
	past := results(q, func(o object) bool { return o["role"] == "tool" })
	message, reason := object{"role": "assistant", "content": "done"}, "stop"
	if tool != "" && m.decide(past) {
		message, reason = object{"role": "assistant", "content": nil, "tool_calls": []object{{"index": 0, "id": fmt.Sprintf("call_%d", len(past)), "type": "function",
			"function": object{"name": tool, "arguments": arguments}}}}, "tool_calls"
	}
	chunk := object{"id": "c1", "created": 1, "model": "fake", "usage": object{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
	if q["stream"] != true {
		chunk["object"], chunk["choices"] = "chat.completion", []object{{"index": 0, "message": message, "finish_reason": reason}}
		answer(w, chunk)
		return
	}
	chunk["object"], chunk["choices"] = "chat.completion.chunk", []object{{"index": 0, "delta": message, "finish_reason": reason}}
	stream(w, chunk)
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

func (m *model) gemini(w http.ResponseWriter, q object, streams bool) {
	tool := echoTool(q)
	past := results(q, func(o object) bool { return o["functionResponse"] != nil })
	part := object{"text": "done"}
	if tool != "" && m.decide(past) {
		part = object{"functionCall": object{"name": tool, "args": object{"message": "grüezi"}}}
	}
	v := object{"candidates": []object{{"index": 0, "content": object{"role": "model", "parts": []object{part}}, "finishReason": "STOP"}},
		"usageMetadata": object{"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}
	if streams {
		stream(w, v)
		return
	}
	answer(w, v)
}
