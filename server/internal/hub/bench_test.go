package hub

import (
	"encoding/json"
	"fmt"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"testing"
)

// manyServers is 50 servers with the same 20 tools each.
func manyServers() map[string]*server {
	var tools []string
	for i := range 20 {
		tools = append(tools, fmt.Sprint("t:tool", i))
	}
	servers := map[string]*server{}
	for i := range 50 {
		servers[fmt.Sprint("server", i)] = offering(tools...)
	}
	return servers
}

func BenchmarkFiftyServers(b *testing.B) {
	r := newRig(b, manyServers())
	go func() {
		for range r.calls {
		}
	}()
	for method, params := range map[string]string{"tools/list": `{}`, "tools/call": `{"name":"server7__tool3","arguments":{"a":1}}`} {
		b.Run(method, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.All().Call(b.Context(), alice().client(), method, json.RawMessage(params)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	x, err := r.all.index(b.Context(), alice().client(), mount.Known)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			newIndex(x.of, x.own, false)
		}
	})
}
